#include "testing/sim_kafka.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "loop/partitioner.h"

namespace weir {

bool fails_a_call(std::string_view operation) {
  static constexpr std::array<std::string_view, 8> kOthers{
      "redeliver", "commit_copy", "abort_copy", "offsets_copy",
      "late_copy", "session",     "heartbeat",  "assignment_lost"};
  return std::find(kOthers.begin(), kOthers.end(), operation) == kOthers.end();
}

// ---- the cluster ----

void SimKafka::create_topic(const std::string& topic, TopicOptions options) {
  WEIR_ASSERT(!has_topic(topic));
  Topic& created = topics_[topic];
  created.options = options;
  created.id = ++last_id_;
  created.logs.resize(static_cast<std::size_t>(options.partitions));
}

void SimKafka::recreate_topic(const std::string& topic) {
  const TopicOptions options = topics_.at(topic).options;
  topics_.erase(topic);
  create_topic(topic, options);
}

void SimKafka::add_partitions(const std::string& topic, std::int32_t added) {
  Topic& grown = topics_.at(topic);
  grown.options.partitions += added;
  grown.logs.resize(static_cast<std::size_t>(grown.options.partitions));
}

std::int32_t SimKafka::partitions(const std::string& topic) const {
  return topics_.at(topic).options.partitions;
}

Offset SimKafka::append(const std::string& topic, std::int32_t partition, SimRecord record) {
  Log& to = log({topic, partition});
  to.records.push_back({std::move(record), 0, false});
  return Offset(to.end() - 1);
}

void SimKafka::append_aborted(const std::string& topic, std::int32_t partition, SimRecord record) {
  const std::int64_t transaction = begin_transaction();
  log({topic, partition}).records.push_back({std::move(record), transaction, false});
  transactions_[transaction].partitions.insert({topic, partition});
  end_transaction(transaction, Fate::aborted);
}

std::vector<std::pair<Offset, SimRecord>> SimKafka::read(const std::string& topic,
                                                         std::int32_t partition) const {
  const Log& from = log({topic, partition});
  std::vector<std::pair<Offset, SimRecord>> read;
  for (std::int64_t offset = from.start; offset < last_stable(from); ++offset) {
    const Stored& stored = from.records[static_cast<std::size_t>(offset - from.start)];
    if (is_visible(stored)) {
      read.emplace_back(Offset(offset), stored.record);
    }
  }
  return read;
}

void SimKafka::delete_below(const std::string& topic, std::int32_t partition, NextOffset start) {
  Log& from = log({topic, partition});
  while (from.start < start.value() && !from.records.empty()) {
    from.records.pop_front();
    ++from.start;
  }
}

std::optional<NextOffset> SimKafka::committed(const std::string& group, const std::string& topic,
                                              std::int32_t partition) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) {
    return std::nullopt;
  }
  const auto offset = found->second.offsets.find({topic, partition});
  return offset == found->second.offsets.end() ? std::nullopt : std::optional(offset->second.next);
}

void SimKafka::set_committed(const std::string& group, const std::string& topic,
                             std::int32_t partition, NextOffset next, const std::string& metadata) {
  groups_[group].offsets[{topic, partition}] = {next, metadata};
}

TopicIdentity SimKafka::identity(const std::string& topic) const {
  const Topic& found = topics_.at(topic);
  return {"sim", topic, hides_topic_ids_ ? "" : std::to_string(found.id), found.options.partitions};
}

SimKafka::Log& SimKafka::log(const TopicPartition& where) {
  return topics_.at(where.first).logs.at(static_cast<std::size_t>(where.second));
}

const SimKafka::Log& SimKafka::log(const TopicPartition& where) const {
  return topics_.at(where.first).logs.at(static_cast<std::size_t>(where.second));
}

std::int64_t SimKafka::last_stable(const Log& log) const {
  for (std::int64_t offset = log.start; offset < log.end(); ++offset) {
    const Stored& stored = log.records[static_cast<std::size_t>(offset - log.start)];
    if (stored.transaction != 0 && transactions_.at(stored.transaction).fate == Fate::open) {
      return offset;
    }
  }
  return log.end();
}

bool SimKafka::is_visible(const Stored& stored) const {
  return !stored.is_control &&
         (stored.transaction == 0 || transactions_.at(stored.transaction).fate == Fate::committed);
}

std::int64_t SimKafka::begin_transaction() {
  transactions_[++last_id_] = Transaction();
  return last_id_;
}

void SimKafka::end_transaction(std::int64_t id, Fate fate) {
  Transaction& transaction = transactions_.at(id);
  transaction.fate = fate;
  for (const TopicPartition& where : transaction.partitions) {
    if (has_topic(where.first)) {
      log(where).records.push_back({SimRecord(), id, true});
    }
  }
  if (fate == Fate::committed) {
    for (const auto& [where, offset] : transaction.offsets) {
      groups_[transaction.group].offsets[where] = offset;
    }
  }
}

// As AddPartitionsToTxn and AddOffsetsToTxn do: opens one where none is.
SimKafka::Transaction& SimKafka::transaction_of(const std::string& transactional_id) {
  std::int64_t& open = producers_[transactional_id].open_transaction;
  open = open == 0 ? begin_transaction() : open;
  return transactions_.at(open);
}

SimKafka::Answer SimKafka::answer(const Request& request) {
  Producer& producer = producers_[request.transactional_id];
  if (request.kind == Request::Kind::offsets) {
    return take_offsets(producer, request);
  }
  return request.epoch != producer.epoch
             ? Answer::fenced
             : end(producer,
                   request.kind == Request::Kind::commit ? Fate::committed : Fate::aborted);
}

// Ended already in the same way is no error: the client asks again when it got no answer.
SimKafka::Answer SimKafka::end(Producer& producer, Fate fate) {
  if (producer.open_transaction == 0) {
    return producer.last_fate == fate ? Answer::ok : Answer::no_such_transaction;
  }
  end_transaction(std::exchange(producer.open_transaction, 0), fate);
  producer.last_fate = fate;
  return Answer::ok;
}

SimKafka::Answer SimKafka::take_offsets(Producer& producer, const Request& request) {
  const Group& group = groups_[request.group];
  if (group.members.count(request.member) == 0 || request.generation != group.generation) {
    return Answer::not_a_member;
  }
  if (producer.open_transaction == 0) {
    return request.epoch == producer.epoch ? Answer::no_such_transaction : Answer::fenced;
  }
  Transaction& transaction = transactions_.at(producer.open_transaction);
  if (request.epoch != producer.epoch) {
    // Kafka 3.9 refuses it and yet forgets what the new epoch has pending for the same partition.
    for (const auto& [where, offset] : request.offsets) {
      transaction.offsets.erase(where);
    }
    return Answer::fenced;
  }
  transaction.group = request.group;
  for (const auto& [where, offset] : request.offsets) {
    transaction.offsets[where] = offset;
  }
  return Answer::ok;
}

bool SimKafka::has_pending_offset(const std::string& group, const TopicPartition& where) const {
  return std::any_of(producers_.begin(), producers_.end(), [&](const auto& producer) {
    const auto open = transactions_.find(producer.second.open_transaction);
    return open != transactions_.end() && open->second.group == group &&
           open->second.offsets.count(where) > 0;
  });
}

void SimKafka::start_rebalance(Group& group) {
  group.is_rebalancing = true;
  for (auto& [id, member] : group.members) {
    member.has_joined = false;
  }
}

void SimKafka::take_out(const std::string& group, std::int64_t member) {
  Group& from = groups_[group];
  if (from.members.erase(member) > 0) {
    start_rebalance(from);
  }
}

// Range assignment, topic by topic, once every member gave up what it had.
void SimKafka::try_assign(Group& group) {
  if (!group.is_rebalancing || !std::all_of(group.members.begin(), group.members.end(),
                                            [](const auto& m) { return m.second.has_joined; })) {
    return;
  }
  group.is_rebalancing = false;
  ++group.generation;
  const auto members = static_cast<std::int32_t>(group.members.size());
  std::int32_t index = 0;
  for (auto& [id, member] : group.members) {
    member.partitions.clear();
    for (const std::string& topic : member.topics) {
      const std::int32_t count = partitions(topic);
      for (std::int32_t p = index * count / members; p < (index + 1) * count / members; ++p) {
        member.partitions.emplace_back(topic, p);
      }
    }
    ++index;
  }
}

// ---- the consumer ----

class SimSource final : public Source {
 public:
  SimSource(SimKafka& kafka, std::string group, std::vector<std::string> topics, SimFaults faults)
      : kafka_(kafka),
        group_(std::move(group)),
        topics_(std::move(topics)),
        faults_(std::move(faults)) {}

  ~SimSource() override { leave(); }

  Status open(AssignmentListener& listener) override {
    listener_ = &listener;
    join();
    return Status::ok();
  }

  Status found_group(std::span<const OffsetToCommit> beginnings) override {
    SimKafka::Group& group = kafka_.groups_[group_];
    const bool is_founded =
        std::any_of(beginnings.begin(), beginnings.end(),
                    [&](const OffsetToCommit& b) { return group.offsets.contains(name(b.where)); });
    for (const OffsetToCommit& b : beginnings) {
      if (!is_founded) {
        group.offsets[name(b.where)] = {b.next, b.metadata};
      }
    }
    return Status::ok();
  }

  Result<Batch> poll(std::chrono::milliseconds, std::size_t records_max) override {
    WEIR_TRY(fault("poll"));
    WEIR_TRY(follow_group());
    auto buffers = std::make_unique<Buffers>();
    Batch batch;
    for (auto& [where, position] : positions_) {
      const SimKafka::Log& log = kafka_.log(name(where));
      const std::int64_t end = kafka_.last_stable(log);
      known_ends_[where] = NextOffset(end);
      if (!fault("redeliver").is_ok()) {  // as librdkafka 2.0.2 may, from a stale fetch position
        position = std::max(log.start, position - 3);
      }
      if (position < log.start) {
        return Status::stop(ExitCode::bad_input, "offset out of range");
      }
      for (; position < end && batch.records.size() < records_max; ++position) {
        const SimKafka::Stored& stored =
            log.records[static_cast<std::size_t>(position - log.start)];
        if (kafka_.is_visible(stored)) {
          add(batch, *buffers, where, Offset(position), stored.record);
        }
      }
      if (position == end) {
        batch.ends.push_back({where, NextOffset(position)});
      }
    }
    batch.buffers = std::move(buffers);
    return batch;
  }

  Status seek(std::span<const Position> positions) override {
    WEIR_TRY(fault("seek"));
    for (const Position& position : positions) {
      positions_.at(position.where) = position.next.value();
    }
    return Status::ok();
  }

  Result<std::vector<Committed>> committed(std::span<const InputPartition> partitions) override {
    WEIR_TRY(fault("committed"));
    std::vector<Committed> committed;
    const SimKafka::Group& group = kafka_.groups_[group_];
    for (const InputPartition& where : partitions) {
      if (kafka_.has_pending_offset(group_, name(where))) {
        return Status::retry("a transaction on the committed offset has not ended");
      }
      const auto found = group.offsets.find(name(where));
      committed.push_back({where, std::nullopt, ""});
      if (found != group.offsets.end()) {
        committed.back().next = found->second.next;
        committed.back().metadata = found->second.metadata;
      }
    }
    return committed;
  }

  Result<LogBounds> log_bounds(InputPartition where) override {
    const SimKafka::Log& log = kafka_.log(name(where));
    return LogBounds{NextOffset(log.start), NextOffset(kafka_.last_stable(log))};
  }

  Result<NextOffset> log_end(InputPartition where, std::optional<Timestamp> until) override {
    const SimKafka::Log& log = kafka_.log(name(where));
    return until ? first_at(log, *until, log.end()) : NextOffset(log.end());
  }

  std::optional<NextOffset> known_end(InputPartition where) override {
    const auto known = known_ends_.find(where);
    return known == known_ends_.end() ? std::nullopt : std::optional(known->second);
  }

  std::vector<Position> ends(std::span<const InputPartition> partitions) override {
    std::vector<Position> ends;
    for (const InputPartition& where : partitions) {
      ends.push_back({where, NextOffset(kafka_.last_stable(kafka_.log(name(where))))});
    }
    return ends;
  }

  Result<NextOffset> offset_at(InputPartition where, Timestamp time) override {
    const SimKafka::Log& log = kafka_.log(name(where));
    return first_at(log, time, kafka_.last_stable(log));
  }

  Result<TopicIdentity> identity(InputIndex input) override {
    WEIR_TRY(fault("identity"));
    return kafka_.identity(topics_.at(input.value()));
  }

  Result<std::string> membership() override {
    end_session_perhaps();
    return std::to_string(member_) + "/" + std::to_string(generation_);
  }

  Status rejoin() override {
    leave();
    if (listener_ != nullptr) {
      join();
    }
    return Status::ok();
  }

  void close() override {
    if (!positions_.empty()) {
      listener_->revoked(false);
    }
    leave();
  }

 private:
  struct Buffers final : Batch::Buffers {
    std::deque<SimRecord> records;
    std::deque<std::vector<Header>> headers;
  };

  // The first record below `end` that is stamped at or after `time`, or `end`.
  static NextOffset first_at(const SimKafka::Log& log, Timestamp time, std::int64_t end) {
    for (std::int64_t offset = log.start; offset < end; ++offset) {
      const auto& stored = log.records[static_cast<std::size_t>(offset - log.start)];
      if (!stored.is_control && stored.record.timestamp >= time) {
        return NextOffset(offset);
      }
    }
    return NextOffset(end);
  }

  SimKafka::TopicPartition name(InputPartition where) const {
    return {topics_.at(where.input.value()), where.partition.value()};
  }

  Status fault(std::string_view operation) { return faults_ ? faults_(operation) : Status::ok(); }

  static void add(Batch& batch, Buffers& buffers, InputPartition where, Offset offset,
                  const SimRecord& stored) {
    const SimRecord& record = buffers.records.emplace_back(stored);
    std::vector<Header>& headers = buffers.headers.emplace_back();
    for (const auto& [header, value] : record.headers) {
      headers.push_back({header, value});
    }
    RawRecord raw;
    raw.where = where;
    raw.offset = offset;
    raw.timestamp = record.timestamp;
    raw.key = record.key;
    raw.value = record.value;
    raw.headers = headers;
    batch.records.push_back(raw);
  }

  void join() {
    member_ = ++kafka_.last_id_;
    SimKafka::Group& group = kafka_.groups_[group_];
    group.members[member_].topics = topics_;
    kafka_.start_rebalance(group);
  }

  void leave() {
    kafka_.take_out(group_, member_);
    positions_.clear();
    generation_ = -1;
  }

  bool is_member() const { return kafka_.groups_[group_].members.count(member_) > 0; }

  bool has_joined() const { return kafka_.groups_[group_].members.at(member_).has_joined; }

  // As of a client that slept past its session.
  void end_session_perhaps() {
    if (!fault("session").is_ok()) {
      kafka_.take_out(group_, member_);
    }
  }

  Status follow_group() {
    end_session_perhaps();
    SimKafka::Group& group = kafka_.groups_[group_];
    if (!is_member() && !fault("heartbeat").is_ok()) {
      return Status::ok();
    }
    if (generation_ >= 0 && (!is_member() || !has_joined())) {
      listener_->revoked(!is_member() && fault("assignment_lost").is_ok());
      positions_.clear();
      generation_ = -1;
    }
    if (!is_member()) {
      join();
    }
    SimKafka::Member& member = group.members.at(member_);
    member.has_joined = true;
    kafka_.try_assign(group);
    if (group.is_rebalancing || generation_ == group.generation) {
      return Status::ok();
    }
    std::vector<InputPartition> partitions;
    for (const auto& [topic, partition] : member.partitions) {
      const auto input = std::find(topics_.begin(), topics_.end(), topic) - topics_.begin();
      partitions.push_back({InputIndex(static_cast<std::uint16_t>(input)), Partition(partition)});
    }
    WEIR_TRY_ASSIGN(const std::vector<Position> positions, listener_->assigned(partitions));
    generation_ = group.generation;
    for (const Position& position : positions) {
      positions_[position.where] = position.next.value();
    }
    return Status::ok();
  }

  SimKafka& kafka_;
  const std::string group_;
  const std::vector<std::string> topics_;
  const SimFaults faults_;
  AssignmentListener* listener_ = nullptr;
  std::int64_t member_ = 0;
  std::int64_t generation_ = -1;
  std::map<InputPartition, std::int64_t> positions_;
  std::map<InputPartition, NextOffset> known_ends_;  // as of the last poll
};

// ---- the producer ----

class SimSink final : public Sink {
 public:
  SimSink(SimKafka& kafka, std::string transactional_id, std::vector<std::string> topics,
          std::string group, std::vector<std::string> input_topics, SimFaults faults)
      : kafka_(kafka),
        id_(std::move(transactional_id)),
        topics_(std::move(topics)),
        group_(std::move(group)),
        input_topics_(std::move(input_topics)),
        faults_(std::move(faults)) {}

  Status open() override {
    let_late_copies_arrive();
    if (epoch_ != 0) {
      return Status::ok();
    }
    SimKafka::Producer& producer = kafka_.producers_[id_];
    if (producer.open_transaction != 0) {
      kafka_.end(producer, SimKafka::Fate::aborted);
    }
    producer.last_fate.reset();
    epoch_ = ++producer.epoch;
    return Status::ok();
  }

  std::optional<Refusal> foresee_refusal(const OutRecord& record) override {
    const std::string& topic = topics_.at(record.output.value());
    return kafka_.topics_.at(topic).options.tells_limit ? too_large(record) : std::nullopt;
  }

  Result<bool> has_written() override {
    for (const std::string& topic : topics_) {
      for (std::int32_t p = 0; p < kafka_.partitions(topic); ++p) {
        if (kafka_.end(topic, p) > NextOffset(0)) {
          return true;
        }
      }
    }
    return false;
  }

  Result<TopicIdentity> identity(OutputIndex output) override {
    WEIR_TRY(fault("identity"));
    return kafka_.identity(topics_.at(output.value()));
  }

  Status begin() override {
    WEIR_ASSERT(!in_transaction_);
    WEIR_TRY(check("begin"));
    refusals_.clear();
    added_.clear();
    has_offsets_ = false;
    is_torn_ = false;
    doubt_ = Doubt::none;
    in_transaction_ = true;
    return Status::ok();
  }

  Status send(std::span<const OutRecord> records) override {
    WEIR_ASSERT(in_transaction_);
    WEIR_TRY(check("send"));
    for (const OutRecord& record : records) {
      store(record);
    }
    return Status::ok();
  }

  Status flush() override {
    WEIR_ASSERT(in_transaction_);
    WEIR_TRY(check("flush"));
    return refusals_.empty() ? torn() : Status::abort("a record was refused");
  }

  Status send_offsets(std::span<const OffsetToCommit> offsets,
                      std::string_view membership) override {
    WEIR_ASSERT(in_transaction_);
    WEIR_TRY(reach_broker());
    WEIR_TRY(torn());
    SimKafka::Request request = this->request(SimKafka::Request::Kind::offsets);
    request.group = group_;
    const std::size_t slash = membership.find('/');
    std::from_chars(membership.data(), membership.data() + slash, request.member);
    std::from_chars(membership.data() + slash + 1, membership.data() + membership.size(),
                    request.generation);
    for (const OffsetToCommit& offset : offsets) {
      request.offsets[{input_topics_.at(offset.where.input.value()),
                       offset.where.partition.value()}] = {offset.next, offset.metadata};
    }
    keep_copy_perhaps(request, "offsets_copy", Doubt::producer_and_consumer);
    WEIR_TRY(fault("send_offsets"));
    has_offsets_ = true;
    kafka_.transaction_of(id_);
    const SimKafka::Answer answer = kafka_.answer(request);
    if (!fault("session").is_ok()) {
      kafka_.take_out(group_, request.member);
    }
    return failure_of(answer);
  }

  Status commit() override {
    WEIR_TRY(end(SimKafka::Request::Kind::commit, "commit", "commit_copy"));
    WEIR_TRY(fault("commit_answer"));
    in_transaction_ = false;
    return Status::ok();
  }

  Status abort() override {
    if (in_transaction_) {
      is_torn_ = false;
      WEIR_TRY(end(SimKafka::Request::Kind::abort, "abort", "abort_copy"));
      in_transaction_ = false;
    }
    return Status::ok();
  }

  Doubt doubt() const override { return doubt_; }

  std::span<const Refusal> refusals() const override { return refusals_; }

  // The old producer is gone at the first attempt. What a transaction that is cut off left in doubt
  // stays so.
  Status recreate() override {
    is_cut_off_ = is_cut_off_ || in_transaction_;
    in_transaction_ = false;
    WEIR_TRY(fault("recreate"));
    epoch_ = 0;
    WEIR_TRY(open());
    doubt_ = is_cut_off_ ? doubt_ : Doubt::none;
    is_cut_off_ = false;
    return Status::ok();
  }

 private:
  Status fault(std::string_view operation) { return faults_ ? faults_(operation) : Status::ok(); }

  Status reach_broker() {
    let_late_copies_arrive();
    return kafka_.producers_[id_].epoch == epoch_ ? Status::ok()
                                                  : failure_of(SimKafka::Answer::fenced);
  }

  Status check(std::string_view operation) {
    WEIR_TRY(reach_broker());
    return fault(operation);
  }

  Status failure_of(SimKafka::Answer answer) const {
    switch (answer) {
      case SimKafka::Answer::fenced:
        return Status::recreate("fenced", "fenced by a newer producer of " + id_);
      case SimKafka::Answer::not_a_member:
        return Status::abort("the group has moved on");
      case SimKafka::Answer::no_such_transaction:
        return Status::recreate("other", "the transaction of " + id_ + " has ended otherwise");
      case SimKafka::Answer::ok:
        break;
    }
    return Status::ok();
  }

  Status torn() const {
    return is_torn_ ? Status::abort("the partition is not in the transaction") : Status::ok();
  }

  SimKafka::Request request(SimKafka::Request::Kind kind) const {
    SimKafka::Request request;
    request.kind = kind;
    request.transactional_id = id_;
    request.epoch = epoch_;
    return request;
  }

  void keep_copy_perhaps(const SimKafka::Request& request, std::string_view operation,
                         Doubt doubt) {
    if (!fault(operation).is_ok()) {
      kafka_.late_copies_.push_back(request);
      doubt_ = std::max(doubt_, doubt);
    }
  }

  void let_late_copies_arrive() {
    std::erase_if(kafka_.late_copies_, [this](const SimKafka::Request& request) {
      if (request.transactional_id != id_ || fault("late_copy").is_ok()) {
        return false;
      }
      kafka_.answer(request);
      return true;
    });
  }

  // The client asks nobody to end a transaction that it added nothing to.
  Status end(SimKafka::Request::Kind kind, std::string_view operation, std::string_view copy) {
    WEIR_ASSERT(in_transaction_);
    WEIR_TRY(reach_broker());
    WEIR_TRY(torn());
    const SimKafka::Request request = this->request(kind);
    const bool is_empty = added_.empty() && !has_offsets_;
    if (!is_empty) {
      keep_copy_perhaps(request, copy, Doubt::producer);
    }
    WEIR_TRY(fault(operation));
    return is_empty ? Status::ok() : failure_of(kafka_.answer(request));
  }

  std::optional<Refusal> too_large(const OutRecord& record) const {
    const std::string& topic = topics_.at(record.output.value());
    const std::size_t bytes = record.value.value_or("").size();
    const std::size_t bytes_max = kafka_.topics_.at(topic).options.record_bytes_max;
    if (bytes <= bytes_max) {
      return std::nullopt;
    }
    return Refusal{
        record.origin, record.output, Refusal::kTooLarge,
        fmt::format("the value has {} bytes; {} takes {}, counted here before compression (a "
                    "broker counts after it, and max.message.bytes of the topic is the limit)",
                    bytes, topic, bytes_max)};
  }

  void store(const OutRecord& record) {
    if (auto refusal = too_large(record)) {
      refusals_.push_back(std::move(*refusal));
      return;
    }
    const std::string& topic = topics_.at(record.output.value());
    const SimKafka::TopicOptions& options = kafka_.topics_.at(topic).options;
    if (options.timestamp_max && record.timestamp > *options.timestamp_max) {
      refusals_.push_back(
          {record.origin, record.output, Refusal::kTimestamp, "it is stamped too late"});
      return;
    }
    SimRecord stored;
    stored.timestamp = record.timestamp;
    if (record.key) {
      stored.key = std::string(*record.key);
    }
    if (record.value) {
      stored.value = std::string(*record.value);
    }
    for (const Header& header : record.headers) {
      stored.headers.emplace_back(std::string(header.name), header.value);
    }
    std::int32_t partition = record.partition.value();
    if (record.partition == kPartitionByKey) {
      partition = partition_of(record.key.value_or(""), options.partitions).value();
    }
    const SimKafka::TopicPartition where{topic, partition};
    if (added_.insert(where).second) {
      kafka_.transaction_of(id_).partitions.insert(where);
    }
    // The broker takes records only of partitions that are in an open transaction, and the client
    // adds each once.
    const std::int64_t open = kafka_.producers_[id_].open_transaction;
    if (open == 0 || kafka_.transactions_.at(open).partitions.count(where) == 0) {
      is_torn_ = true;
      return;
    }
    kafka_.log(where).records.push_back({std::move(stored), open, false});
  }

  SimKafka& kafka_;
  const std::string id_;
  const std::vector<std::string> topics_;
  const std::string group_;
  const std::vector<std::string> input_topics_;
  const SimFaults faults_;
  std::int64_t epoch_ = 0;  // 0: not open
  Doubt doubt_ = Doubt::none;
  bool is_cut_off_ = false;  // a transaction, by recreate

  // Of the open transaction, as the client sees it.
  bool in_transaction_ = false;
  std::set<SimKafka::TopicPartition> added_;
  bool has_offsets_ = false;
  bool is_torn_ = false;  // the broker refused a record, because it ended the transaction already
  std::vector<Refusal> refusals_;
};

std::unique_ptr<Source> SimKafka::source(const std::string& group, std::vector<std::string> topics,
                                         SimFaults faults) {
  return std::make_unique<SimSource>(*this, group, std::move(topics), std::move(faults));
}

std::unique_ptr<Sink> SimKafka::sink(const std::string& transactional_id,
                                     std::vector<std::string> topics, std::string group,
                                     std::vector<std::string> input_topics, SimFaults faults) {
  return std::make_unique<SimSink>(*this, transactional_id, std::move(topics), std::move(group),
                                   std::move(input_topics), std::move(faults));
}

}  // namespace weir
