#include "loop/commit_metadata.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>

#include "text/quantity.h"

namespace weir {

std::string DedupRule::text() const {
  return window ? duration_text(window->length) + " in " + std::to_string(window->buckets) +
                      " buckets, key " + key
                : "off";
}

// The key's rule may hold any character, so it comes last.
std::string CommitMetadata::print() const {
  std::string ids;
  for (const std::string& id : outputs) {
    ids += (ids.empty() ? "" : ",") + id;
  }
  return "weir1;r=" + std::to_string(rebuild_from.value()) + ";t=" + std::to_string(time.value()) +
         ";o=" + ids + ";w=" + std::to_string(rule.window ? rule.window->length.count() : 0) +
         ";b=" + std::to_string(rule.window ? rule.window->buckets : 0) + ";k=" + rule.key;
}

std::optional<CommitMetadata> CommitMetadata::parse(std::string_view text) {
  const auto take = [&text](std::string_view prefix) {
    const bool found = text.substr(0, prefix.size()) == prefix;
    text.remove_prefix(found ? prefix.size() : 0);
    return found;
  };
  const auto take_number = [&text](std::int64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc{} && value >= 0;
  };
  std::vector<std::string> outputs;
  const auto take_ids = [&text, &outputs] {
    std::string_view list = text.substr(0, text.find(';'));
    text.remove_prefix(list.size());
    while (!list.empty()) {
      outputs.emplace_back(list.substr(0, list.find(',')));
      list.remove_prefix(std::min(outputs.back().size() + 1, list.size()));
    }
    return true;
  };
  std::int64_t rebuild_from = 0;
  std::int64_t time = 0;
  std::int64_t length = 0;
  std::int64_t buckets = 0;
  if (!take("weir1;r=") || !take_number(rebuild_from) || !take(";t=") || !take_number(time) ||
      !take(";o=") || !take_ids() || !take(";w=") || !take_number(length) || !take(";b=") ||
      !take_number(buckets) || buckets > std::numeric_limits<std::int32_t>::max() || !take(";k=")) {
    return std::nullopt;
  }
  CommitMetadata parsed{NextOffset(rebuild_from), StreamTime(time), std::move(outputs), {}};
  if (length > 0) {
    parsed.rule.window =
        DedupWindow{std::chrono::milliseconds(length), static_cast<std::int32_t>(buckets)};
  }
  parsed.rule.key = text;
  return parsed;
}

}  // namespace weir
