#include "loop/assignment.h"

#include <algorithm>

#include "weir/test_points.h"

namespace weir {

namespace {

std::string text(NextOffset offset) {
  return std::to_string(offset.value());
}

const std::string kNewVersion =
    "deploy a new version (raise `version:`), which starts by `start`, and move its readers";

}  // namespace

Status Assignment::found_group() {
  WEIR_TRY(ask_topics());
  std::vector<InputPartition> partitions;
  for (std::size_t i = 0; i < settings_.inputs.size(); ++i) {
    for (std::int32_t p = 0; p < topics_[i].partitions; ++p) {
      partitions.push_back({InputIndex(static_cast<std::uint16_t>(i)), Partition(p)});
    }
  }
  // Of all inputs at once: another lane may found the group between two questions.
  WEIR_TRY_ASSIGN(const std::vector<Committed> committed, asked_source().committed(partitions));
  const auto has_offset = [](const Committed& c) { return c.next.has_value(); };
  const auto without = std::find_if_not(committed.begin(), committed.end(), has_offset);
  if (without == committed.end()) {
    return Status::ok();
  }
  const auto with = std::find_if(committed.begin(), committed.end(), has_offset);
  if (with != committed.end()) {
    return Status::stop(ExitCode::bad_input,
                        "group " + settings_.group + " has a committed offset for " +
                            name_of(with->where) + " but none for " + name_of(without->where) +
                            ": its partitions were added, its topic re-created, its offsets "
                            "expired, or this version read another topic before. Where to go on is "
                            "for a person to say: " +
                            way_out(without->where.input));
  }
  WEIR_TRY_ASSIGN(const bool has_written, asked_sink().has_written());
  if (has_written) {
    WEIR_TRY_ASSIGN(const std::vector<Committed> now, asked_source().committed(partitions));
    if (std::any_of(now.begin(), now.end(), has_offset)) {
      return Status::ok();  // founded meanwhile, and what is written is that lane's
    }
    return Status::stop(
        ExitCode::bad_input,
        "group " + settings_.group +
            " has no committed offset, but its outputs hold records: the offsets expired, were "
            "deleted (by hand, or with a topic that was created again), or the version read "
            "another topic before. Beginning anew would emit records twice, or skip some: " +
            way_out(without->where.input));
  }
  std::vector<OffsetToCommit> beginnings;
  for (const InputPartition& where : partitions) {
    const InputSettings& input = settings_.inputs[where.input.value()];
    NextOffset next;
    if (input.start.kind == Start::Kind::timestamp) {
      WEIR_TRY_ASSIGN(next, asked_source().offset_at(where, input.start.timestamp));
    } else {
      WEIR_TRY_ASSIGN(const LogBounds bounds, asked_source().log_bounds(where));
      next = input.start.kind == Start::Kind::earliest ? bounds.start : bounds.end;
    }
    const CommitMetadata metadata{next, StreamTime(), topics_[where.input.value()].topic_id,
                                  written_topics(), input.dedup_rule()};
    beginnings.push_back({where, next, metadata.print()});
  }
  return asked_source().found_group(beginnings);
}

Result<std::vector<Position>> Assignment::take(std::span<const InputPartition> partitions) {
  owned_.clear();
  for (const InputPartition& where : partitions) {
    owned_.emplace_back().where = where;
  }
  Result<std::vector<Position>> positions = take_again();
  if (!positions.is_ok()) {
    owned_.clear();
  }
  return positions;
}

Result<std::vector<Position>> Assignment::take_again() {
  std::vector<InputPartition> partitions;
  for (const OwnedPartition& owned : owned_) {
    partitions.push_back(owned.where);
  }
  WEIR_TRY(ask_topics());
  WEIR_TRY_ASSIGN(const std::vector<Committed> committed, asked_source().committed(partitions));
  WEIR_ASSERT(committed.size() == partitions.size());
  std::vector<Position> positions;
  for (std::size_t i = 0; i < owned_.size(); ++i) {
    WEIR_TRY_ASSIGN(const Position position, place(owned_[i], committed[i]));
    if (settings_.until) {
      WEIR_TRY_ASSIGN(const NextOffset until,
                      asked_source().log_end(partitions[i], settings_.until));
      owned_[i].until = std::max(until, owned_[i].committed);
    }
    positions.push_back(position);
    probe_.partition_assigned(owned_[i].where, owned_[i].phase, position.next, owned_[i].committed,
                              owned_[i].committed_time);
  }
  return positions;
}

void Assignment::clear() {
  for (const OwnedPartition& owned : owned_) {
    if (const auto left = left_at_->find(owned.where)) {
      left_at_->set(owned.where, std::max(*left, owned.committed));
    }
  }
  owned_.clear();
}

std::vector<Position> Assignment::rewind() {
  std::vector<Position> positions;
  for (OwnedPartition& owned : owned_) {
    if (owned.index) {
      owned.index->discard();
    }
    owned.has_reached_end = false;
    if (owned.phase == PartitionPhase::running) {
      if (!is_mutant("clock_not_rewound")) {
        owned.clock.rewind();
      }
      owned.expected = owned.committed;
    } else {  // what was restored stays: it is on disk
      owned.clock = StreamClock(owned.index->time());
      owned.expected = owned.index->covered();
    }
    positions.push_back({owned.where, owned.expected});
  }
  return positions;
}

Status Assignment::wipe_damaged(std::string_view why) {
  for (OwnedPartition& owned : owned_) {
    if (!owned.index || !owned.index->is_damaged()) {
      continue;
    }
    owned.index.reset();
    WEIR_TRY(stores_.wipe(store_identity(owned.where)));
    probe_.state_wiped(owned.where, why);
  }
  return Status::ok();
}

Status Assignment::ask_topics() {
  std::vector<TopicIdentity> topics;
  for (std::size_t i = 0; i < settings_.inputs.size() + settings_.outputs.size(); ++i) {
    WEIR_TRY_ASSIGN(TopicIdentity topic, ask_topic(i));
    if (!topics_.empty()) {
      // Deleted topics make the group assign anew: what was read before counts here, too.
      WEIR_TRY(check_same_as_before(i, topic));
      topic.topic_id = topic.topic_id.empty() ? topics_[i].topic_id : topic.topic_id;
    }
    topics.push_back(std::move(topic));
  }
  topics_ = std::move(topics);
  return Status::ok();
}

Source& Assignment::asked_source() {
  probe_.brokers_asked();
  return source_;
}

Sink& Assignment::asked_sink() {
  probe_.brokers_asked();
  return sink_;
}

// `i` as in topics_.
Result<TopicIdentity> Assignment::ask_topic(std::size_t i) {
  const std::size_t inputs = settings_.inputs.size();
  return i < inputs ? asked_source().identity(InputIndex(static_cast<std::uint16_t>(i)))
                    : asked_sink().identity(OutputIndex(static_cast<std::uint16_t>(i - inputs)));
}

Status Assignment::check_same_as_before(std::size_t i, const TopicIdentity& now) const {
  return check_same(topics_[i], now, i < settings_.inputs.size() ? kInputWayOut : kOutputWayOut);
}

Status Assignment::check_unchanged() {
  for (std::size_t asked = 0; asked < topics_.size(); ++asked) {
    const std::size_t i = next_asked_++ % topics_.size();
    const Result<TopicIdentity> now = ask_topic(i);
    if (!now.is_ok()) {
      if (now.status().remedy() == Remedy::retry) {
        // The brokers are silent: who asks on, of many topics, is deaf for minutes. The next time
        // begins with the one after: it may be this one only.
        break;
      }
      return now.status();
    }
    WEIR_TRY(check_same_as_before(i, now.value()));
    if (topics_[i].topic_id.empty()) {
      topics_[i].topic_id = now.value().topic_id;  // known at last
    }
  }
  std::vector<InputPartition> partitions;
  for (const OwnedPartition& owned : owned_) {
    partitions.push_back(owned.where);
  }
  const Result<std::vector<Committed>> committed = asked_source().committed(partitions);
  if (!committed.is_ok()) {
    return committed.status().remedy() == Remedy::retry ? Status::ok() : committed.status();
  }
  for (const Committed& c : committed.value()) {
    if (!c.next) {
      return Status::stop(ExitCode::bad_input,
                          "group " + settings_.group + " lost its committed offset for " +
                              name_of(c.where) + ": its topic was deleted, or somebody deleted it" +
                              std::string(kInputWayOut));
    }
  }
  return Status::ok();
}

void Assignment::tell_ends(std::span<const Position> reached) {
  // First, or what can't be read yet would look like nothing at all.
  for (const OwnedPartition& owned : owned_) {
    if (const auto end = source_.known_end(owned.where)) {
      probe_.end_remembered(owned.where, *end);
    }
  }
  for (const Position& end : reached) {
    probe_.end_seen(end.where, end.next);
  }
}

void Assignment::ask_ends() {
  std::vector<InputPartition> all;
  for (const OwnedPartition& owned : owned_) {
    all.push_back(owned.where);
  }
  for (const Position& end : asked_source().ends(all)) {
    probe_.end_seen(end.where, end.next);
  }
}

bool Assignment::has_reached_end() const {
  return std::all_of(owned_.begin(), owned_.end(),
                     [](const OwnedPartition& o) { return o.has_reached_end; });
}

bool Assignment::is_running() const {
  return std::all_of(owned_.begin(), owned_.end(),
                     [](const OwnedPartition& o) { return o.phase == PartitionPhase::running; });
}

OwnedPartition* Assignment::find(InputPartition where) {
  const auto found = std::find_if(owned_.begin(), owned_.end(),
                                  [where](const OwnedPartition& o) { return o.where == where; });
  return found == owned_.end() ? nullptr : &*found;
}

// C is where the last transaction ended. The index covers S ≤ C; [S, C) is read again into the
// index only. A lost disk has no S: then from r, the first offset of the oldest bucket live at C.
Result<Position> Assignment::place(OwnedPartition& owned, const Committed& committed) {
  const std::string name = name_of(owned.where);
  if (!committed.next) {
    return Status::stop(
        ExitCode::bad_input,
        "group " + settings_.group + " has no committed offset for " + name +
            ": partitions were added, the topic was re-created, or the offsets expired: " +
            kNewVersion);
  }
  WEIR_TRY_ASSIGN(const LogBounds bounds, asked_source().log_bounds(owned.where));
  const NextOffset c = *committed.next;
  if (c < bounds.start || c > bounds.end) {
    return Status::stop(
        ExitCode::bad_input,
        name + ": the committed offset " + text(c) + " lies outside the log, which holds " +
            text(bounds.start) + " to " + text(bounds.end) +
            (c < bounds.start
                 ? ": records between were deleted unread (by the topic's retention, or by "
                   "somebody): "
                 : ": the topic was re-created or lost its tail: ") +
            kNewVersion);
  }
  WEIR_TRY_ASSIGN(const CommitMetadata metadata, metadata_of(owned, committed));
  WEIR_TRY(check_input(owned, metadata));
  WEIR_TRY(check_rule(owned, metadata));
  WEIR_TRY(check_outputs(owned, metadata));
  owned.committed = c;
  left_at_->set(owned.where, c);
  owned.committed_time = metadata.time;
  owned.has_reached_end = false;
  if (!settings_.inputs[owned.where.input.value()].dedup) {
    owned.phase = PartitionPhase::running;
    owned.clock = StreamClock(metadata.time);
    owned.expected = c;
    return Position{owned.where, c};
  }
  if (!owned.index) {
    WEIR_TRY(open_index(owned, metadata));
  }
  owned.index->discard();
  if (owned.index->covered() > c || owned.index->time() > metadata.time ||
      (owned.index->covered() == c && owned.index->time() != metadata.time)) {
    return Status::stop(
        ExitCode::broken,
        name + ": local state covers offsets below " + text(owned.index->covered()) +
            ", up to stream time " + std::to_string(owned.index->time().value()) +
            ", but the group committed " + text(c) + ", at stream time " +
            std::to_string(metadata.time.value()) +
            ". Somebody set the group back, or the state is another log's: going on would drop "
            "records as duplicates or repeat them. To process them again deploy a new version "
            "(raise `version:`)");
  }
  if (owned.index->covered() < metadata.rebuild_from || owned.index->covered() < bounds.start) {
    if (metadata.rebuild_from < bounds.start) {
      return Status::stop(
          ExitCode::bad_input,
          name + ": the dedup window begins at offset " + text(metadata.rebuild_from) +
              " but the log at " + text(bounds.start) + ", and local state covers only below " +
              text(owned.index->covered()) +
              ": it can't be rebuilt. Keep the topic for longer than the window; to go on with an "
              "incomplete window deploy a new version (raise `version:`)");
    }
    probe_.state_wiped(owned.where, "local state is older than the dedup window");
    owned.index.reset();
    WEIR_TRY(stores_.wipe(store_identity(owned.where)));
    WEIR_TRY(open_index(owned, metadata));
  }
  owned.clock = StreamClock(owned.index->time());
  owned.expected = owned.index->covered();
  owned.phase = owned.expected < c ? PartitionPhase::restoring : PartitionPhase::running;
  if (is_mutant("no_restore")) {
    owned.phase = PartitionPhase::running;
    owned.expected = c;
  }
  return Position{owned.where, owned.expected};
}

// As far as somebody else's commit may be gone on from, it is one of an input without a past.
Result<CommitMetadata> Assignment::metadata_of(OwnedPartition& owned, const Committed& committed) {
  if (std::optional<CommitMetadata> ours = CommitMetadata::parse(committed.metadata)) {
    return *std::move(ours);
  }
  const InputSettings& input = settings_.inputs[owned.where.input.value()];
  const NextOffset c = *committed.next;
  const std::string what = name_of(owned.where) + ": the committed offset " + text(c) +
                           " was not set by weir (metadata \"" + committed.metadata.substr(0, 64) +
                           "\")";
  const std::string way_on = way_out(owned.where.input);
  if (input.dedup) {
    return Status::stop(ExitCode::bad_input,
                        what + ", so what lies in its dedup window is unknown: " + way_on);
  }
  const std::string give_way = "another consumer uses group " + settings_.group +
                               ". Give that one a group of its own, and " + way_on;
  if (const auto left = left_at_->find(owned.where)) {
    const NextOffset before = std::max(*left, owned.committed);
    if (before != c) {
      return Status::stop(ExitCode::bad_input,
                          what + ", where this process was at " + text(before) + ": " + give_way);
    }
  }
  const auto trusted = settings_.trusted_offsets.find({input.topic, owned.where.partition.value()});
  if (trusted == settings_.trusted_offsets.end()) {
    return Status::stop(
        ExitCode::bad_input,
        what + ", so records before it may be without an outcome. Most likely " + give_way);
  }
  if (trusted->second != c) {
    return Status::stop(ExitCode::bad_input, what + ", and --trust-offset says " +
                                                 text(trusted->second) + ": " + give_way);
  }
  owned.is_foreign = true;
  probe_.foreign_offset_taken(owned.where, c);
  return CommitMetadata{c, StreamTime(), {}, {}, input.dedup_rule()};
}

// What was committed was committed of this topic, not of another under its name. A store's manifest
// says so, too; but it goes with the disk, and without dedup there is none.
Status Assignment::check_input(const OwnedPartition& owned, const CommitMetadata& metadata) {
  std::string& id = topics_[owned.where.input.value()].topic_id;
  if (id.empty()) {
    id = metadata.input_id;
  }
  return metadata.input_id.empty() || metadata.input_id == id
             ? Status::ok()
             : Status::stop(ExitCode::bad_input,
                            name_of(owned.where) + ": the topic (id " + id +
                                ") isn't the one of which the group's offset was committed (id " +
                                metadata.input_id + "): it was deleted and created again" +
                                std::string(kInputWayOut));
}

// The manifest binds the state on disk to the rule, this the group: also where the disk is new.
Status Assignment::check_rule(const OwnedPartition& owned, const CommitMetadata& metadata) const {
  const DedupRule rule = settings_.inputs[owned.where.input.value()].dedup_rule();
  return metadata.rule == rule
             ? Status::ok()
             : Status::stop(
                   ExitCode::config,
                   name_of(owned.where) + ": the group's offset was committed with dedup " +
                       metadata.rule.text() + ", and the configuration says " + rule.text() +
                       ": what the new rule must know of earlier records was not kept. "
                       "Set it back, or deploy a new version (raise `version:`)");
}

// Each output still goes into the topic that it went into before. One that was added since passes.
Status Assignment::check_outputs(const OwnedPartition& owned, const CommitMetadata& metadata) {
  const std::vector<WrittenTopic> outputs = written_topics();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const WrittenTopic& now = outputs[i];
    const auto before =
        std::find_if(metadata.outputs.begin(), metadata.outputs.end(),
                     [&](const WrittenTopic& written) { return written.output == now.output; });
    if (before == metadata.outputs.end()) {
      continue;
    }
    TopicIdentity& topic = topics_[settings_.inputs.size() + i];
    if (topic.topic_id.empty()) {
      topic.topic_id = before->topic_id;
    }
    const std::string name =
        name_of(owned.where) + ": output " + now.output + ": topic " + topic.topic;
    if (!before->topic_id.empty() && !now.topic_id.empty() && before->topic_id != now.topic_id) {
      return Status::stop(ExitCode::bad_input,
                          name + " (id " + now.topic_id +
                              ") isn't the one that holds what was committed before (id " +
                              before->topic_id +
                              "): it was deleted and created again, or the configuration named "
                              "another. Name that one again if it is still there; else deploy a "
                              "new version (raise `version:`), which writes all of it again");
    }
    if (before->partitions != now.partitions) {
      return Status::stop(ExitCode::bad_input,
                          name + partitions_changed(before->partitions, now.partitions) +
                              std::string(kOutputWayOut));
    }
  }
  return Status::ok();
}

std::vector<WrittenTopic> Assignment::written_topics() const {
  std::vector<WrittenTopic> written;
  for (std::size_t i = 0; i < settings_.outputs.size(); ++i) {
    const TopicIdentity& topic = topics_[settings_.inputs.size() + i];
    written.push_back({settings_.outputs[i].name, topic.topic_id, topic.partitions});
  }
  return written;
}

CommitMetadata Assignment::metadata(const OwnedPartition& owned, NextOffset next) const {
  const StreamTime time = owned.clock.now();
  return {owned.index ? owned.index->rebuild_from(next, time) : next, time,
          topics_[owned.where.input.value()].topic_id, written_topics(),
          settings_.inputs[owned.where.input.value()].dedup_rule()};
}

Status Assignment::finish_restoring(OwnedPartition& owned) {
  WEIR_TRY(owned.index->commit(owned.committed, owned.clock.now()));
  owned.clock.commit();
  if (owned.clock.now() != owned.committed_time) {
    return Status::stop(ExitCode::broken,
                        name_of(owned.where) + ": read again, the log shows stream time " +
                            std::to_string(owned.clock.now().value()) +
                            " at the committed offset " + std::to_string(owned.committed.value()) +
                            ", where it showed " + std::to_string(owned.committed_time.value()) +
                            " before: it is not the same log. Deploy a new version (raise "
                            "`version:`) to start anew");
  }
  owned.phase = PartitionPhase::running;
  probe_.partition_restored(owned.where, owned.committed);
  return Status::ok();
}

Status Assignment::open_index(OwnedPartition& owned, const CommitMetadata& metadata) {
  const StoreIdentity identity = store_identity(owned.where);
  const auto open = [&]() -> Result<std::unique_ptr<SeenIndex>> {
    WEIR_TRY_ASSIGN(std::unique_ptr<SegmentStore> store, stores_.open(identity));
    return SeenIndex::open(*settings_.inputs[owned.where.input.value()].dedup, std::move(store),
                           metadata.rebuild_from);
  };
  Result<std::unique_ptr<SeenIndex>> index = open();
  if (!index.is_ok() && index.status().remedy() == Remedy::restore) {
    probe_.state_wiped(owned.where, index.status().message());
    WEIR_TRY(stores_.wipe(identity));
    index = open();
  }
  if (!index.is_ok()) {
    const Status failure = index.status().within(name_of(owned.where));
    return failure.remedy() == Remedy::restore ? Status::stop(ExitCode::disk, failure.message())
                                               : failure;
  }
  owned.index = std::move(index).value();
  return Status::ok();
}

StoreIdentity Assignment::store_identity(InputPartition where) const {
  const TopicIdentity& topic = topics_[where.input.value()];
  const InputSettings& input = settings_.inputs[where.input.value()];
  StoreIdentity identity;
  identity.cluster_id = topic.cluster_id;
  identity.topic = topic.topic;
  identity.topic_id = topic.topic_id;
  identity.partition = where.partition.value();
  identity.partitions = topic.partitions;
  identity.group = settings_.group;
  identity.window_ms = input.dedup->length.count();
  identity.window_buckets = input.dedup->buckets;
  identity.key_rule = input.key_rule;
  return identity;
}

std::string Assignment::way_out(InputIndex input) const {
  const std::string& topic = topics_[input.value()].topic;
  return settings_.inputs[input.value()].dedup
             ? kNewVersion
             : kNewVersion +
                   ". Or, to go on in this one, set the group's offset: stop all instances, and "
                   "what starts them again, for session.timeout.ms (45 s unless set), then "
                   "kafka-consumer-groups.sh --bootstrap-server … --group " +
                   settings_.group + " --topic " + topic +
                   ":PARTITION --reset-offsets --to-offset OFFSET --execute, and run once with "
                   "--trust-offset " +
                   topic +
                   "/PARTITION=OFFSET, which also takes it on trust that the input and the outputs "
                   "are the topics that they were. OFFSET is what the logs of all instances last "
                   "called `committed` of the partition, if none of them ran on after it (behind a "
                   "kill -9 only a new version is safe), or where to begin if it was never read";
}

std::string Assignment::name_of(InputPartition where) const {
  return settings_.inputs[where.input.value()].topic + " partition " +
         std::to_string(where.partition.value());
}

}  // namespace weir
