#include "host/input_ends.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "kafka/source.h"

namespace weir {

namespace {

// Of one question: who was told to end waits for the one that is under way.
constexpr std::chrono::seconds kAnswerWaitMax{2};

}  // namespace

InputEnds InputEnds::of(const LanePlan& plan, const ClusterSettings& cluster) {
  SourceSettings settings;
  settings.cluster = cluster;
  settings.cluster.request_wait_max =
      std::min<std::chrono::milliseconds>(cluster.request_wait_max, kAnswerWaitMax);
  settings.group = plan.settings.group;
  settings.inputs = plan.input_topics;
  return InputEnds(plan.input_topics, plan.settings.until,
                   std::make_unique<KafkaSource>(std::move(settings)));
}

Result<std::vector<std::string>> InputEnds::undone(const std::vector<LaneStatus>& lanes) {
  std::vector<Committed> committed;
  std::vector<InputPartition> others;
  for (const auto& [where, end] : ends_) {
    if (const auto next = committed_by(lanes, where)) {
      committed.push_back({where, next, {}});
    } else {
      others.push_back(where);
    }
  }
  if (!others.empty()) {
    WEIR_TRY_ASSIGN(const std::vector<Committed> told, source_->committed(others));
    committed.insert(committed.end(), told.begin(), told.end());
  }
  std::vector<std::string> undone;
  for (const Committed& one : committed) {
    const NextOffset end = ends_[one.where];
    if (one.next && *one.next >= end) {
      continue;
    }
    undone.push_back(
        fmt::format("{}/{}", topics_[one.where.input.value()], one.where.partition.value()));
    WEIR_TRY_ASSIGN(const LogBounds bounds, source_->log_bounds(one.where));
    if (bounds.end < end) {
      return Status::stop(
          ExitCode::bad_input,
          fmt::format("{} ends at {} now, and ended at {} when this run began: the topic was "
                      "re-created or lost its tail. What is left of it is done; look what became "
                      "of the topic, then run again",
                      undone.back(), bounds.end.value(), end.value()));
    }
  }
  return undone;
}

// nullopt: none of them owns it.
std::optional<NextOffset> InputEnds::committed_by(const std::vector<LaneStatus>& lanes,
                                                  InputPartition where) const {
  for (const LaneStatus& lane : lanes) {
    for (const PartitionStatus& owned : lane.partitions) {
      if (owned.topic == topics_[where.input.value()] && owned.partition == where.partition) {
        return owned.committed;
      }
    }
  }
  return std::nullopt;
}

Status InputEnds::look(const std::function<bool()>& goes_on) {
  std::map<InputPartition, NextOffset> ends;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    const InputIndex input(static_cast<std::uint16_t>(i));
    WEIR_TRY_ASSIGN(const TopicIdentity topic, source_->identity(input));
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      if (!goes_on()) {
        return Status::retry(fmt::format("not asked further where {} ends", topics_[i]));
      }
      const InputPartition where{input, Partition(p)};
      WEIR_TRY_ASSIGN(const LogBounds bounds, source_->log_bounds(where));
      ends[where] = bounds.end;
      if (until_) {
        WEIR_TRY_ASSIGN(const NextOffset until, source_->offset_at(where, *until_));
        ends[where] = std::min(until, bounds.end);
      }
    }
  }
  ends_ = std::move(ends);
  return Status::ok();
}

}  // namespace weir
