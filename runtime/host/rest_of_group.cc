#include "host/rest_of_group.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace weir {

namespace {

SourceSettings source_settings(const LanePlan& plan, const ClusterSettings& cluster) {
  SourceSettings settings;
  settings.cluster = cluster;
  settings.group = plan.settings.group;
  settings.inputs = plan.input_topics;
  return settings;
}

}  // namespace

RestOfGroup::RestOfGroup(const LanePlan& plan, const ClusterSettings& cluster)
    : topics_(plan.input_topics),
      until_(plan.settings.until),
      source_(source_settings(plan, cluster)) {}

Result<std::vector<std::string>> RestOfGroup::undone(const std::vector<LaneStatus>& lanes) {
  if (ends_.empty()) {
    WEIR_TRY(look_at_ends());
  }
  const auto is_ours = [&](const std::string& topic, Partition partition) {
    return std::any_of(lanes.begin(), lanes.end(), [&](const LaneStatus& lane) {
      return std::any_of(lane.partitions.begin(), lane.partitions.end(), [&](const auto& owned) {
        return owned.topic == topic && owned.partition == partition;
      });
    });
  };
  std::vector<InputPartition> others;
  for (const auto& [where, end] : ends_) {
    if (!is_ours(topics_[where.input.value()], where.partition)) {
      others.push_back(where);
    }
  }
  std::vector<std::string> undone;
  if (others.empty()) {
    return undone;
  }
  WEIR_TRY_ASSIGN(const std::vector<Committed> committed, source_.committed(others));
  for (const Committed& one : committed) {
    if (!one.next || *one.next < ends_[one.where]) {
      undone.push_back(
          fmt::format("{}/{}", topics_[one.where.input.value()], one.where.partition.value()));
    }
  }
  return undone;
}

Status RestOfGroup::look_at_ends() {
  std::map<InputPartition, NextOffset> ends;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    const InputIndex input(static_cast<std::uint16_t>(i));
    WEIR_TRY_ASSIGN(const TopicIdentity topic, source_.identity(input));
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      const InputPartition where{input, Partition(p)};
      WEIR_TRY_ASSIGN(const LogBounds bounds, source_.log_bounds(where));
      ends[where] = bounds.end;
      if (until_) {
        WEIR_TRY_ASSIGN(const NextOffset until, source_.offset_at(where, *until_));
        ends[where] = std::min(until, bounds.end);
      }
    }
  }
  ends_ = std::move(ends);
  return Status::ok();
}

}  // namespace weir
