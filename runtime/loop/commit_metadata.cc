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
  std::string written;
  for (const WrittenTopic& topic : outputs) {
    written += (written.empty() ? "" : ",") + topic.output + ":" + topic.topic_id + ":" +
               std::to_string(topic.partitions);
  }
  return "weir1;r=" + std::to_string(rebuild_from.value()) + ";t=" + std::to_string(time.value()) +
         ";i=" + input_id + ";o=" + written +
         ";w=" + std::to_string(rule.window ? rule.window->length.count() : 0) +
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
  const auto take_until = [&text](char end) {
    const std::string_view taken = text.substr(0, text.find(end));
    text.remove_prefix(std::min(taken.size() + 1, text.size()));
    return taken;
  };
  std::vector<WrittenTopic> outputs;
  const auto take_outputs = [&] {
    while (!text.empty() && text.front() != ';') {
      take(",");
      WrittenTopic& topic = outputs.emplace_back();
      std::int64_t partitions = 0;
      topic.output = take_until(':');
      topic.topic_id = take_until(':');
      if (!take_number(partitions) || partitions > std::numeric_limits<std::int32_t>::max()) {
        return false;
      }
      topic.partitions = static_cast<std::int32_t>(partitions);
    }
    return true;
  };
  std::string_view input_id;
  const auto take_input = [&] {
    if (take(";i=")) {  // stored before inputs were named: not there
      input_id = text.substr(0, text.find(';'));
      text.remove_prefix(input_id.size());
    }
    return true;
  };
  std::int64_t rebuild_from = 0;
  std::int64_t time = 0;
  std::int64_t length = 0;
  std::int64_t buckets = 0;
  if (!take("weir1;r=") || !take_number(rebuild_from) || !take(";t=") || !take_number(time) ||
      !take_input() || !take(";o=") || !take_outputs() || !take(";w=") || !take_number(length) ||
      !take(";b=") || !take_number(buckets) || buckets > std::numeric_limits<std::int32_t>::max() ||
      !take(";k=")) {
    return std::nullopt;
  }
  CommitMetadata parsed{
      NextOffset(rebuild_from), StreamTime(time), std::string(input_id), std::move(outputs), {}};
  if (length > 0) {
    parsed.rule.window =
        DedupWindow{std::chrono::milliseconds(length), static_cast<std::int32_t>(buckets)};
  }
  parsed.rule.key = text;
  return parsed;
}

}  // namespace weir
