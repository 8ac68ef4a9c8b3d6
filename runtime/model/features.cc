#include "model/features.h"

#define XXH_INLINE_ALL  // most inputs are a few bytes long: the call would cost more than the hash
#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include <xxhash.h>

namespace weir {
namespace {

struct Decoded {
  char32_t code_point;
  std::size_t bytes;
};

// The code point at the start of `text`, which is not empty.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  constexpr Decoded kIllFormed{0xFFFD, 1};
  if (lead < 0x80) {
    return {lead, 1};
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return kIllFormed;
  }
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < length) {
    return kIllFormed;
  }
  // Only the second byte's range depends on the first: no overlongs, surrogates, > U+10FFFF.
  const unsigned char second_min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char second_max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < second_min || byte(1) > second_max) {
    return kIllFormed;
  }
  auto code_point = static_cast<char32_t>(lead & (0x7Fu >> length));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) {
      return kIllFormed;
    }
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  return {code_point, length};
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

// What replaces the markup at the start of `text`, if there is some.
std::optional<Decoded> markup(std::string_view text) {
  if (text[0] == '<' && text.size() > 1) {
    const char next = text[1];
    if ((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || next == '/') {
      // Ending at the next '<' keeps a text full of them linear.
      const std::size_t end = text.find_first_of("<>", 2);
      if (end != std::string_view::npos && text[end] == '>') {
        return Decoded{' ', end + 1};
      }
    }
  } else if (text[0] == '&') {
    struct Entity {
      std::string_view name;
      char32_t code_point;
    };

    static constexpr std::array<Entity, 5> kEntities{
        {{"&#39;", '\''}, {"&quot;", '"'}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}}};
    for (const Entity& entity : kEntities) {
      if (text.starts_with(entity.name)) {
        return Decoded{entity.code_point, entity.name.size()};
      }
    }
  }
  return std::nullopt;
}

bool is_invisible(char32_t c) {
  return c == 0xFEFF || c == 0xFE0F || (c >= 0x200B && c <= 0x200F) || c == 0x2060;
}

bool is_space(char32_t c) {
  return c <= 0x20 || c == 0x7F || c == 0xA0 || c == 0x2028 || c == 0x2029 || c == 0x3000;
}

bool is_word(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' ||
         (c >= 0xC0 && c <= 0x1FFF) || (c >= 0x3040 && c <= 0xD7FF);
}

}  // namespace

FeatureExtractor::FeatureExtractor(const FeatureSettings& settings)
    : settings_(settings), bucket_values_(settings.dimension) {}

std::span<const Feature> FeatureExtractor::extract(std::string_view text) {
  features_.clear();
  normalise(text);
  if (normalised().empty()) {
    return features_;
  }
  tokenise();
  const std::string_view joined = joined_;
  for (std::size_t n = 1; n <= settings_.words_max; ++n) {
    for (std::size_t i = 0; i + n < tokens_.size(); ++i) {
      add(1, joined.substr(tokens_[i], tokens_[i + n] - 1 - tokens_[i]), settings_.word_weight);
    }
  }
  const std::string_view padded = padded_;
  for (std::size_t n = settings_.chars_min; n <= settings_.chars_max; ++n) {
    for (std::size_t i = 0; i + n < points_.size(); ++i) {
      add(2, padded.substr(points_[i], points_[i + n] - points_[i]), 1);
    }
  }
  const char width = static_cast<char>(std::bit_width(points_.size() - 3));  // two spaces, the end
  add(3, std::string_view(&width, 1), settings_.word_weight);
  for (Feature& feature : features_) {
    feature.value = bucket_values_[feature.bucket];
    bucket_values_[feature.bucket] = 0;
  }
  return features_;
}

std::string_view FeatureExtractor::normalised() const {
  if (padded_.empty()) {
    return {};
  }
  return std::string_view(padded_).substr(1, padded_.size() - 2);
}

void FeatureExtractor::normalise(std::string_view text) {
  padded_.assign(1, ' ');
  points_.assign(1, 0);
  while (!text.empty()) {
    const Decoded next = markup(text).value_or(decode(text));
    append(next.code_point);
    text.remove_prefix(next.bytes);
  }
  if (padded_.size() == 1 || padded_.back() != ' ') {
    points_.push_back(padded_.size());
    padded_.push_back(' ');
  }
  points_.push_back(padded_.size());
}

void FeatureExtractor::append(char32_t c) {
  if (is_invisible(c)) {
    return;
  }
  if (c >= 0xFF01 && c <= 0xFF5E) {
    c -= 0xFEE0;
  }
  if (is_space(c)) {
    if (padded_.back() == ' ') {
      return;
    }
    c = ' ';
  } else if (c >= 'A' && c <= 'Z') {
    c += 'a' - 'A';
  } else if (c >= '0' && c <= '9') {
    c = '0';
  }
  points_.push_back(padded_.size());
  append_utf8(c, padded_);
}

void FeatureExtractor::tokenise() {
  joined_.clear();
  tokens_.clear();
  const std::string_view padded = padded_;
  enum class Run { space, word, other } run = Run::space;
  for (std::size_t i = 0; i + 1 < points_.size(); ++i) {
    const std::string_view bytes = padded.substr(points_[i], points_[i + 1] - points_[i]);
    const char32_t c = decode(bytes).code_point;
    const Run kind = c == ' ' ? Run::space : is_word(c) ? Run::word : Run::other;
    if (kind != run && run != Run::space) {
      joined_.push_back(' ');
    }
    if (kind != run && kind != Run::space) {
      tokens_.push_back(joined_.size());
    }
    if (kind != Run::space) {
      joined_.append(bytes);
    }
    run = kind;
  }
  tokens_.push_back(joined_.size());  // padded_ ends in a space, so the last token has its own
}

void FeatureExtractor::add(std::uint64_t kind, std::string_view bytes, std::uint8_t value) {
  const std::uint64_t hash =
      XXH3_64bits_withSeed(bytes.data(), bytes.size(), settings_.hash_seed + kind);
  const auto bucket = static_cast<std::uint32_t>(hash & (settings_.dimension - 1));
  std::uint8_t& bucket_value = bucket_values_[bucket];
  if (bucket_value == 0) {
    features_.push_back({bucket, 0});
  }
  bucket_value = std::max(bucket_value, value);
}

}  // namespace weir
