#include "text/words.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr std::size_t kQuotedMax = 80;
constexpr std::size_t kWordMax = 64;
constexpr std::size_t kPrefixMin = 3;

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// Optimal string alignment.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string quote(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, kQuotedMax)) {
    if (c == '\n') {
      shown += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      shown += c;
    }
  }
  if (text.size() > kQuotedMax) {
    // Not in the middle of a character.
    while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80U) != 0) {
      shown.pop_back();
    }
    shown += "…";
  }
  return shown + "\"";
}

std::string json_quote(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (c == '\n') {
      json += "\\n";
    } else if (c == '\t') {
      json += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      json += c;
    }
  }
  return json += '"';
}

std::string_view nearest(std::string_view word, std::span<const std::string> candidates) {
  std::string_view best;
  if (word.size() > kWordMax) {
    return best;
  }
  for (const std::string& candidate : candidates) {
    if (word.size() >= kPrefixMin && candidate.substr(0, word.size()) == word) {
      return candidate;
    }
  }
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t dot = candidate.rfind('.');
    const std::size_t d =
        std::min(distance(word, candidate),
                 distance(word, std::string_view(candidate).substr(dot + 1)));  // npos + 1 is 0
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string_view near = nearest(word, candidates);
  return near.empty() ? "" : fmt::format("; did you mean {}?", quote(near));
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  if (std::string meant = did_you_mean(word, candidates); !meant.empty() || candidates.empty()) {
    return meant;
  }
  constexpr std::size_t kShownMax = 20;
  std::string all;
  for (const std::string& candidate : candidates.first(std::min(candidates.size(), kShownMax))) {
    all += (all.empty() ? "" : ", ") + candidate;
  }
  return "; there is " + all + (candidates.size() > kShownMax ? ", …" : "");
}

std::string alternatives(std::span<const std::string> words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    all += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
    all += words[i];
  }
  return all;
}

std::string_view tool_command() {
  return ::access("ops/weir", X_OK) == 0 ? "ops/weir" : "weir";
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) {
    text.insert(at - 3, 1, ',');
  }
  return text;
}

}  // namespace weir
