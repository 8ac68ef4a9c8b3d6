#include "testing/sim_kafka.h"

#include <algorithm>
#include <charconv>

#include "loop/partitioner.h"

namespace weir {

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
  transactions_[transaction].partitions.emplace_back(topic, partition);
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

void SimKafka::start_rebalance(Group& group) {
  group.is_rebalancing = true;
  for (auto& [id, member] : group.members) {
    member.has_joined = false;
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

  Status found(std::span<const OffsetToCommit> beginnings) override {
    SimKafka::Group& group = kafka_.groups_[group_];
    if (group.members.empty()) {
      for (const OffsetToCommit& b : beginnings) {
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

  std::optional<NextOffset> known_end(InputPartition where) override {
    return NextOffset(kafka_.last_stable(kafka_.log(name(where))));
  }

  Result<NextOffset> offset_at(InputPartition where, Timestamp time) override {
    const SimKafka::Log& log = kafka_.log(name(where));
    for (std::int64_t offset = log.start; offset < log.end(); ++offset) {
      const auto& stored = log.records[static_cast<std::size_t>(offset - log.start)];
      if (!stored.is_control && stored.record.timestamp >= time) {
        return NextOffset(offset);
      }
    }
    return NextOffset(log.end());
  }

  Result<TopicIdentity> identity(InputIndex input) override {
    const std::string& topic = topics_.at(input.value());
    const SimKafka::Topic& found = kafka_.topics_.at(topic);
    return TopicIdentity{"sim", topic, std::to_string(found.id), found.options.partitions};
  }

  Result<std::string> membership() override {
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
    SimKafka::Group& group = kafka_.groups_[group_];
    if (group.members.erase(member_) > 0) {
      kafka_.start_rebalance(group);
    }
    positions_.clear();
    generation_ = -1;
  }

  Status follow_group() {
    SimKafka::Group& group = kafka_.groups_[group_];
    SimKafka::Member& member = group.members.at(member_);
    if (group.is_rebalancing && !member.has_joined) {
      if (generation_ >= 0) {
        listener_->revoked(false);
        positions_.clear();
      }
      member.has_joined = true;
      kafka_.try_assign(group);
    }
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
    SimKafka::Producer& producer = kafka_.producers_[id_];
    if (producer.open_transaction != 0) {
      kafka_.end_transaction(producer.open_transaction, SimKafka::Fate::aborted);
      producer.open_transaction = 0;
    }
    epoch_ = ++producer.epoch;
    return Status::ok();
  }

  Status begin() override {
    WEIR_TRY(check("begin"));
    refusals_.clear();
    WEIR_ASSERT(kafka_.producers_[id_].open_transaction == 0);
    kafka_.producers_[id_].open_transaction = kafka_.begin_transaction();
    in_transaction_ = true;
    return Status::ok();
  }

  Status send(std::span<const OutRecord> records) override {
    WEIR_TRY(check("send"));
    for (const OutRecord& record : records) {
      store(record);
    }
    return Status::ok();
  }

  Status flush() override {
    WEIR_ASSERT(in_transaction_);
    WEIR_TRY(check("flush"));
    return refusals_.empty() ? Status::ok() : Status::abort("a record was refused");
  }

  Status send_offsets(std::span<const OffsetToCommit> offsets,
                      std::string_view membership) override {
    WEIR_TRY(check("send_offsets"));
    const SimKafka::Group& group = kafka_.groups_[group_];
    const std::size_t slash = membership.find('/');
    std::int64_t member = 0;
    std::int64_t generation = 0;
    std::from_chars(membership.data(), membership.data() + slash, member);
    std::from_chars(membership.data() + slash + 1, membership.data() + membership.size(),
                    generation);
    if (group.members.count(member) == 0 || generation != group.generation) {
      return Status::abort("the group has moved on");
    }
    SimKafka::Transaction& transaction = open_transaction();
    transaction.group = group_;
    for (const OffsetToCommit& offset : offsets) {
      transaction.offsets[{input_topics_.at(offset.where.input.value()),
                           offset.where.partition.value()}] = {offset.next, offset.metadata};
    }
    return Status::ok();
  }

  Status commit() override {
    WEIR_TRY(check("commit"));
    end(SimKafka::Fate::committed);
    return fault("commit_answer");
  }

  Status abort() override {
    if (!in_transaction_) {
      return Status::ok();
    }
    WEIR_TRY(check("abort"));
    end(SimKafka::Fate::aborted);
    return Status::ok();
  }

  Doubt doubt() const override { return Doubt::none; }

  std::span<const Refusal> refusals() const override { return refusals_; }

  // The old producer is gone at the first attempt.
  Status recreate() override {
    in_transaction_ = false;
    WEIR_TRY(fault("recreate"));
    return open();
  }

 private:
  Status fault(std::string_view operation) { return faults_ ? faults_(operation) : Status::ok(); }

  Status check(std::string_view operation) {
    if (kafka_.producers_[id_].epoch != epoch_) {
      return Status::recreate("fenced", "fenced by a newer producer of " + id_);
    }
    return fault(operation);
  }

  SimKafka::Transaction& open_transaction() {
    return kafka_.transactions_.at(kafka_.producers_[id_].open_transaction);
  }

  void end(SimKafka::Fate fate) {
    std::int64_t& open = kafka_.producers_[id_].open_transaction;
    WEIR_ASSERT(open != 0);
    kafka_.end_transaction(open, fate);
    open = 0;
    in_transaction_ = false;
  }

  void store(const OutRecord& record) {
    const std::string& topic = topics_.at(record.output.value());
    const SimKafka::TopicOptions& options = kafka_.topics_.at(topic).options;
    if (record.value.value_or("").size() > options.record_bytes_max) {
      refusals_.push_back(
          {record.origin, record.output, "output_too_large",
           topic + " takes records of " + std::to_string(options.record_bytes_max) + " bytes"});
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
    const std::int64_t transaction = kafka_.producers_[id_].open_transaction;
    kafka_.log(where).records.push_back({std::move(stored), transaction, false});
    std::vector<SimKafka::TopicPartition>& touched = open_transaction().partitions;
    if (std::find(touched.begin(), touched.end(), where) == touched.end()) {
      touched.push_back(where);
    }
  }

  SimKafka& kafka_;
  const std::string id_;
  const std::vector<std::string> topics_;
  const std::string group_;
  const std::vector<std::string> input_topics_;
  bool in_transaction_ = false;
  const SimFaults faults_;
  std::int64_t epoch_ = 0;
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
