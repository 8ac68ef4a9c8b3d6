// A JSON text as a row of tokens. simdjson finds where they start and checks the UTF-8 (its first
// stage, chosen for this CPU at run time); this class walks them and checks the grammar as it goes.
// The walk is our own rather than simdjson's on-demand one because that leaves whatever it skips
// unchecked, and wants each record copied into a padded buffer.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "weir/message_pool.h"

namespace weir {

class JsonTokens {
 public:
  enum class Fault { none, invalid_utf8, invalid_json, too_deep };

  JsonTokens();
  ~JsonTokens();
  JsonTokens(const JsonTokens&) = delete;
  JsonTokens& operator=(const JsonTokens&) = delete;

  // Finds the tokens of `json`, which is borrowed until the next call and needs no padding. Strings
  // are closed, free of raw control characters and valid UTF-8 after Fault::none; all else is
  // checked by walking.
  Fault scan(std::string_view json);

  // First byte of the current token; NUL (no token starts with it) past the last one.
  char peek() const { return at_ < count_ ? text_[starts_[at_]] : '\0'; }

  std::uint32_t at() const { return at_; }

  void move_to(std::uint32_t at) { at_ = at; }

  void advance() { ++at_; }

  bool at_end() const { return at_ >= count_; }

  // The current token as written, quotes included; empty past the last one.
  std::string_view raw() const {
    if (at_ >= count_) {
      return {};
    }
    const char* const from = text_ + starts_[at_];
    const char* to = text_ + starts_[at_ + 1];
    while (is_space(to[-1])) {
      --to;
    }
    return {from, static_cast<std::size_t>(to - from)};
  }

  // The text of the current token, a string, unescaped: a view into the JSON, or into `scratch`
  // where it has escapes. False: a bad escape, a lone surrogate, or no string.
  bool text(std::string_view& text, std::string& scratch) const {
    const std::string_view token = raw();
    if (token.size() < 2 || token.front() != '"' || token.back() != '"') {
      return false;
    }
    text = token.substr(1, token.size() - 2);
    return !escapes_ || std::memchr(text.data(), '\\', text.size()) == nullptr ||
           unescape(text, scratch);
  }

  // Walks past the current value and checks all of it. `depth`: how many objects and arrays are
  // open around it. `depth_max`: at most kMessageDepthMax.
  Fault skip(int depth, int depth_max = kMessageDepthMax);

  // Where in the JSON the current token starts.
  std::size_t position() const { return starts_[at_ < count_ ? at_ : count_]; }

 private:
  struct Scanner;

  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

  // Replaces `text` by its unescaped form in `scratch`.
  static bool unescape(std::string_view& text, std::string& scratch);

  bool is_string() const;
  bool is_literal() const;

  std::unique_ptr<Scanner> scanner_;
  const char* text_ = nullptr;
  // starts_[count_] is the length of the text.
  const std::uint32_t* starts_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t at_ = 0;
  bool escapes_ = false;
  mutable std::string checked_;
};

// True for a number by JSON's grammar.
bool is_json_number(std::string_view token);

}  // namespace weir
