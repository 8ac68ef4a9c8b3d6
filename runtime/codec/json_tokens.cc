#include "codec/json_tokens.h"

#include <bitset>

#include <simdjson.h>

#include "weir/status.h"

namespace weir {

struct JsonTokens::Scanner {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
  std::size_t capacity = 0;
};

JsonTokens::JsonTokens() : scanner_(std::make_unique<Scanner>()) {}

JsonTokens::~JsonTokens() = default;

JsonTokens::Fault JsonTokens::scan(std::string_view json) {
  count_ = 0;
  at_ = 0;
  if (json.size() > scanner_->capacity || scanner_->stage == nullptr) {
    const std::size_t capacity = json.size() * 2 + 4096;
    // Its own depth limit serves its second stage, which isn't used.
    const simdjson::error_code error =
        simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1,
                                                                                scanner_->stage);
    WEIR_ASSERT(error == simdjson::SUCCESS);
    scanner_->capacity = capacity;
  }
  const simdjson::error_code error =
      scanner_->stage->stage1(reinterpret_cast<const std::uint8_t*>(json.data()), json.size(),
                              simdjson::stage1_mode::regular);
  if (error != simdjson::SUCCESS) {
    return error == simdjson::UTF8_ERROR ? Fault::invalid_utf8 : Fault::invalid_json;
  }
  text_ = json.data();
  starts_ = scanner_->stage->structural_indexes.get();
  count_ = scanner_->stage->n_structural_indexes;
  escapes_ = std::memchr(json.data(), '\\', json.size()) != nullptr;
  return Fault::none;
}

bool JsonTokens::is_string() const {
  std::string_view ignored;
  return text(ignored, checked_);
}

bool JsonTokens::is_literal() const {
  const std::string_view token = raw();
  return token == "null" || token == "true" || token == "false" || is_json_number(token);
}

// NOLINTNEXTLINE(readability-function-size): one state machine, clearer in one place
JsonTokens::Fault JsonTokens::skip(int depth, int depth_max) {
  std::bitset<kMessageDepthMax> in_object;
  int level = 0;
  for (;;) {
    // One value, or the start of one.
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth + level >= depth_max) {
        return Fault::too_deep;
      }
      in_object[static_cast<std::size_t>(level++)] = c == '{';
      advance();
      if (peek() != (c == '{' ? '}' : ']')) {
        if (c == '[') {
          continue;
        }
        if (peek() != '"' || !is_string()) {
          return Fault::invalid_json;
        }
        advance();
        if (peek() != ':') {
          return Fault::invalid_json;
        }
        advance();
        continue;
      }
    } else if (c == '"') {
      if (!is_string()) {
        return Fault::invalid_json;
      }
      advance();
    } else {
      if (!is_literal()) {
        return Fault::invalid_json;
      }
      advance();
    }
    // What follows a value: the end of what it is in, as often as it ends, or a comma.
    while (level > 0 && peek() == (in_object[static_cast<std::size_t>(level - 1)] ? '}' : ']')) {
      advance();
      --level;
    }
    if (level == 0) {
      return Fault::none;
    }
    if (peek() != ',') {
      return Fault::invalid_json;
    }
    advance();
    if (in_object[static_cast<std::size_t>(level - 1)]) {
      if (peek() != '"' || !is_string()) {
        return Fault::invalid_json;
      }
      advance();
      if (peek() != ':') {
        return Fault::invalid_json;
      }
      advance();
    }
  }
}

namespace {

// Four hex digits at `at`; -1: not that.
int hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) {
    return -1;
  }
  int value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      value = value * 16 + (c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + (lower - 'a' + 10);
    } else {
      return -1;
    }
  }
  return value;
}

void append_utf8(std::string& to, std::uint32_t code) {
  const auto put = [&to](std::uint32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (code < 0x80U) {
    put(code);
  } else if (code < 0x800U) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000U) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

// The \u escape at `at` (behind the u), with its low surrogate where it has one; moves `at` past
// it. False: not hex, or a lone surrogate.
bool append_code_point(std::string_view text, std::size_t& at, std::string& to) {
  const int first = hex4(text, at);
  if (first < 0) {
    return false;
  }
  at += 4;
  auto code = static_cast<std::uint32_t>(first);
  if (code >= 0xD800U && code <= 0xDFFFU) {
    if (code >= 0xDC00U || text.substr(at, 2) != "\\u") {
      return false;
    }
    const int second = hex4(text, at + 2);
    if (second < 0xDC00 || second > 0xDFFF) {
      return false;
    }
    at += 6;
    code = 0x10000U + ((code & 0x3FFU) << 10U) + (static_cast<std::uint32_t>(second) & 0x3FFU);
  }
  append_utf8(to, code);
  return true;
}

}  // namespace

bool JsonTokens::unescape(std::string_view& text, std::string& scratch) {
  scratch.clear();
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t escape = std::min(text.find('\\', at), text.size());
    scratch.append(text.substr(at, escape - at));
    if (escape == text.size()) {
      break;
    }
    if (escape + 1 >= text.size()) {
      return false;
    }
    at = escape + 2;
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const char c = text[escape + 1];
    if (c == 'u') {
      if (!append_code_point(text, at, scratch)) {
        return false;
      }
    } else if (const std::size_t which = kFrom.find(c); which != std::string_view::npos) {
      scratch.push_back(kTo[which]);
    } else {
      return false;
    }
  }
  text = scratch;
  return true;
}

bool is_json_number(std::string_view token) {
  const char* at = token.data();
  const char* const end = at + token.size();
  const auto digits = [&at, end] {
    const char* const from = at;
    while (at < end && *at >= '0' && *at <= '9') {
      ++at;
    }
    return at > from;
  };
  if (at < end && *at == '-') {
    ++at;
  }
  if (at < end && *at == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < end && *at == '.') {
    ++at;
    if (!digits()) {
      return false;
    }
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end && (*at == '+' || *at == '-')) {
      ++at;
    }
    if (!digits()) {
      return false;
    }
  }
  return at == end;
}

}  // namespace weir
