#include "host/input_ends.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "kafka/source.h"
#include "loop/topic_identity.h"

namespace weir {

namespace {

// Of one question: who was told to end waits for the one that is under way.
constexpr std::chrono::seconds kAnswerWaitMax{2};

// A batch that waited longer would never end where nobody ends the transaction.
Status blocked(const PartitionStatus& partition, NextOffset end) {
  return Status::stop(
      ExitCode::temporary,
      fmt::format("{0}/{1} is done up to {2}, where a transaction begins that another producer "
                  "left open, and is to be done up to {3}: what lies between can't be read before "
                  "that transaction ends. Run again then; kafka-transactions.sh --bootstrap-server "
                  "BROKERS describe-producers --topic {0} --partition {1} shows whose it is",
                  partition.topic, partition.partition.value(), partition.committed.value(),
                  end.value()));
}

}  // namespace

InputEnds InputEnds::of(const LanePlan& plan, const ClusterSettings& cluster) {
  SourceSettings settings;
  settings.cluster = cluster;
  settings.cluster.request_wait_max =
      std::min<std::chrono::milliseconds>(cluster.request_wait_max, kAnswerWaitMax);
  settings.group = plan.settings.group;
  settings.inputs = plan.input_topics;
  settings.inputs.insert(settings.inputs.end(), plan.output_topics.begin(),
                         plan.output_topics.end());
  return InputEnds(plan.input_topics, plan.output_topics.size(), plan.settings.until,
                   std::make_unique<KafkaSource>(std::move(settings)));
}

Result<std::vector<std::string>> InputEnds::undone(const std::vector<LaneStatus>& lanes) {
  std::vector<Committed> committed;
  std::vector<InputPartition> others;
  for (const auto& [where, end] : ends_) {
    const PartitionStatus* owned = find(lanes, where);
    if (owned == nullptr) {
      others.push_back(where);
      continue;
    }
    if (owned->blocked_since && owned->committed < end) {
      return blocked(*owned, end);
    }
    committed.push_back({where, owned->committed, {}});
  }
  if (!others.empty()) {
    WEIR_TRY_ASSIGN(const std::vector<Committed> told, source_->committed(others));
    committed.insert(committed.end(), told.begin(), told.end());
  }
  std::vector<std::string> undone;
  std::optional<InputPartition> first;
  for (const Committed& one : committed) {
    if (!one.next || *one.next < ends_[one.where]) {
      undone.push_back(
          fmt::format("{}/{}", topics_[one.where.input.value()], one.where.partition.value()));
      first = first ? first : one.where;
    }
  }
  if (first) {  // each is the first one day, if it isn't done before
    WEIR_TRY(check_reached(*first));
  } else {
    WEIR_TRY(check_topics());
  }
  return undone;
}

// That the log still reaches as far.
Status InputEnds::check_reached(InputPartition where) {
  const NextOffset end = ends_[where];
  WEIR_TRY_ASSIGN(const NextOffset end_now, source_->log_end(where, std::nullopt));
  return end_now < end
             ? Status::stop(
                   ExitCode::bad_input,
                   fmt::format("{}/{} ends at {} now, and reached to {} when this run began: the "
                               "topic was re-created or lost its tail. What is left of it is done; "
                               "look what became of the topic, then run again",
                               topics_[where.input.value()], where.partition.value(),
                               end_now.value(), end.value()))
             : Status::ok();
}

Result<std::vector<TopicIdentity>> InputEnds::ask_topics() {
  std::vector<TopicIdentity> topics;
  for (std::size_t i = 0; i < topics_.size() + outputs_; ++i) {
    WEIR_TRY_ASSIGN(TopicIdentity topic,
                    source_->identity(InputIndex(static_cast<std::uint16_t>(i))));
    topics.push_back(std::move(topic));
  }
  return topics;
}

// That what is committed was read from, and written to, the topics that are there.
Status InputEnds::check_topics() {
  WEIR_TRY_ASSIGN(const std::vector<TopicIdentity> now, ask_topics());
  for (std::size_t i = 0; i < now.size(); ++i) {
    WEIR_TRY(check_same(identities_[i], now[i], i < topics_.size() ? kInputWayOut : kOutputWayOut));
  }
  return Status::ok();
}

// nullptr: none of them owns it.
const PartitionStatus* InputEnds::find(const std::vector<LaneStatus>& lanes,
                                       InputPartition where) const {
  for (const LaneStatus& lane : lanes) {
    for (const PartitionStatus& owned : lane.partitions) {
      if (owned.topic == topics_[where.input.value()] && owned.partition == where.partition) {
        return &owned;
      }
    }
  }
  return nullptr;
}

Status InputEnds::look(const std::function<bool()>& goes_on) {
  std::map<InputPartition, NextOffset> ends;
  WEIR_TRY_ASSIGN(std::vector<TopicIdentity> identities, ask_topics());
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    const InputIndex input(static_cast<std::uint16_t>(i));
    for (std::int32_t p = 0; p < identities[i].partitions; ++p) {
      if (!goes_on()) {
        return Status::retry(fmt::format("not asked further where {} ends", topics_[i]));
      }
      const InputPartition where{input, Partition(p)};
      WEIR_TRY_ASSIGN(ends[where], source_->log_end(where, until_));
    }
  }
  ends_ = std::move(ends);
  identities_ = std::move(identities);
  return Status::ok();
}

}  // namespace weir
