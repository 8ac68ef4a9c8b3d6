#include "http/escape.h"

#include <cstddef>

#include <fmt/ranges.h>

#include "text/words.h"

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool is_continuation(std::string_view text, std::size_t i) {
  return i < text.size() && (byte_at(text, i) & 0xC0U) == 0x80U;
}

// Bytes of the well-formed sequence at `i` (Unicode 15, table 3-7), 0 when there is none.
std::size_t sequence_at(std::string_view text, std::size_t i) {
  const unsigned lead = byte_at(text, i);
  if (lead < 0x80) {
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4 || !is_continuation(text, i + 1)) {
    return 0;
  }
  if (lead < 0xE0) {
    return 2;
  }
  const unsigned second = byte_at(text, i + 1);
  if (!is_continuation(text, i + 2) || (lead == 0xE0 && second < 0xA0) ||
      (lead == 0xED && second > 0x9F)) {
    return 0;
  }
  if (lead < 0xF0) {
    return 3;
  }
  if (!is_continuation(text, i + 3) || (lead == 0xF0 && second < 0x90) ||
      (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return 4;
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = sequence_at(text, i);
    if (bytes == 0 || is_control(text[i])) {
      out += kReplacement;
      i += 1;
    } else {
      out += text.substr(i, bytes);
      i += bytes;
    }
  }
  return out;
}

std::string json_string(std::string_view text) {
  return json_quote(printable(text));
}

std::string json_list(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const std::string& text : texts) {
    quoted.push_back(json_string(text));
  }
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace weir
