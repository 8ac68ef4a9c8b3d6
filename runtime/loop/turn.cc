#include "loop/turn.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "loop/settings.h"
#include "text/quantity.h"

namespace weir {

using namespace std::chrono_literals;

namespace {

std::string join(const std::vector<std::string>& ids) {
  std::string joined;
  for (const std::string& id : ids) {
    joined += (joined.empty() ? "" : ",") + id;
  }
  return joined;
}

}  // namespace

bool Turn::is_due(const Limits& limits, std::chrono::steady_clock::time_point now,
                  std::chrono::steady_clock::time_point last_commit) const {
  if (began.has_value()) {
    return now - *began >= limits.turn_interval_max ||
           counts.records_in >= limits.turn_records_max ||
           counts.output_bytes >= limits.turn_bytes_max;
  }
  return !next_offsets.empty() && now - last_commit >= limits.idle_commit_interval_min;
}

std::chrono::milliseconds Turn::wait_max(const Limits& limits,
                                         std::chrono::steady_clock::time_point now) const {
  if (!began) {
    return limits.poll_wait_max;
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*began + limits.turn_interval_max - now);
  return std::clamp(left, std::chrono::milliseconds(0), limits.poll_wait_max);
}

std::string InputSettings::dedup_rule() const {
  return dedup ? duration_text(dedup->length) + " in " + std::to_string(dedup->buckets) +
                     " buckets, key " + key_rule
               : "off";
}

std::size_t next_batch_max(const Limits& limits, std::size_t now, std::size_t records,
                           std::chrono::nanoseconds took) {
  if (records == 0) {
    return now;
  }
  const auto in_time = static_cast<double>(records) *
                       (limits.batch_time_max / std::max<std::chrono::duration<double>>(took, 1us));
  const auto most = static_cast<double>(std::min(now * 2, limits.batch_records_max));
  return static_cast<std::size_t>(std::clamp(in_time, 1.0, most));
}

std::string CommitMetadata::print() const {
  return "weir1;r=" + std::to_string(rebuild_from.value()) + ";t=" + std::to_string(time.value()) +
         ";o=" + join(outputs) + ";d=" + dedup_rule;
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
  const auto take_ids = [&text](std::vector<std::string>& ids) {
    std::string_view list = text.substr(0, text.find(';'));
    text.remove_prefix(list.size());
    while (!list.empty()) {
      ids.emplace_back(list.substr(0, list.find(',')));
      list.remove_prefix(std::min(ids.back().size() + 1, list.size()));
    }
    return true;
  };
  std::int64_t rebuild_from = 0;
  std::int64_t time = 0;
  std::vector<std::string> outputs;
  if (take("weir1;r=") && take_number(rebuild_from) && take(";t=") && take_number(time) &&
      take(";o=") && take_ids(outputs) && take(";d=") && !text.empty()) {
    return CommitMetadata{NextOffset(rebuild_from), StreamTime(time), std::move(outputs),
                          std::string(text)};
  }
  return std::nullopt;
}

}  // namespace weir
