// A simulated Kafka: topics, transactions with markers and the last stable offset, consumer groups
// with an eager rebalance, fencing. In memory, single-threaded, deterministic. It behaves as
// brokers were seen to behave (see runtime/README.md); what it can't show is proven on a real
// broker.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loop/io.h"

namespace weir {

// A record as a test writes or reads it: owns its bytes.
struct SimRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  Timestamp timestamp;
};

// Chooses faults: called before each operation of a client with its name ("poll", "begin", "send",
// "flush", "send_offsets", "commit", "abort", "recreate", "seek", "committed", "identity"); a
// failed status is the operation's result, and the operation did not happen. "commit_answer": it
// did happen. Of the following only whether they fail matters:
//  "redeliver"        the poll goes a few records back
//  "commit_copy", "abort_copy", "offsets_copy"
//                     the request's first copy is kept on its way; what the operation does, the
//                     client did by sending it again. The sink is in doubt
//  "late_copy"        before an operation of a producer, once for each copy of a request of its
//                     transactional id that was kept: it arrives now
//  "session"          in a poll, and before and after offsets are sent: the group took the member
//                     out
//  "heartbeat"        a member that was taken out has not heard of it yet
//  "assignment_lost"  … and hears of it as of any revocation, not that the partitions are lost
using SimFaults = std::function<Status(std::string_view operation)>;

// A failure at `operation` is the result of a client's call: not one of the list above.
bool fails_a_call(std::string_view operation);

class SimKafka {
 public:
  struct TopicOptions {
    std::int32_t partitions = 1;
    // Of a value, as it is; a broker weighs what is left of it after compression.
    std::size_t record_bytes_max = std::size_t{1} << 20;
    // Whether a producer knows that limit, or is told by a refusal.
    bool tells_limit = true;
    // What is stamped later is refused.
    std::optional<Timestamp> timestamp_max = std::nullopt;
  };

  void create_topic(const std::string& topic, TopicOptions options);

  void create_topic(const std::string& topic) { create_topic(topic, TopicOptions()); }

  // Deletes and creates anew, with another topic id.
  void recreate_topic(const std::string& topic);

  // As over TLS, where nobody can ask for them.
  void hide_topic_ids(bool hides = true) { hides_topic_ids_ = hides; }

  // As an operator adds partitions: its id and its records stay.
  void add_partitions(const std::string& topic, std::int32_t added);

  bool has_topic(const std::string& topic) const { return topics_.count(topic) > 0; }

  std::int32_t partitions(const std::string& topic) const;

  // Appends outside any transaction.
  Offset append(const std::string& topic, std::int32_t partition, SimRecord record);

  // As append, in a transaction that is aborted at once: read_committed readers never see it.
  void append_aborted(const std::string& topic, std::int32_t partition, SimRecord record);

  // All that a read_committed reader sees, in order.
  std::vector<std::pair<Offset, SimRecord>> read(const std::string& topic,
                                                 std::int32_t partition) const;

  // Removes what lies below `start`, as retention does.
  void delete_below(const std::string& topic, std::int32_t partition, NextOffset start);

  // The last stable offset: what a read_committed reader may reach, control records included.
  NextOffset end(const std::string& topic, std::int32_t partition) const {
    return NextOffset(last_stable(log({topic, partition})));
  }

  std::optional<NextOffset> committed(const std::string& group, const std::string& topic,
                                      std::int32_t partition) const;

  // As an operator does with Kafka's tools.
  void set_committed(const std::string& group, const std::string& topic, std::int32_t partition,
                     NextOffset next, const std::string& metadata);

  // As a group's offsets expire.
  void forget_committed(const std::string& group) { groups_[group].offsets.clear(); }

  std::unique_ptr<Source> source(const std::string& group, std::vector<std::string> topics,
                                 SimFaults faults = {});

  std::unique_ptr<Sink> sink(const std::string& transactional_id, std::vector<std::string> topics,
                             std::string group, std::vector<std::string> input_topics,
                             SimFaults faults = {});

 private:
  friend class SimSource;
  friend class SimSink;

  enum class Fate : std::uint8_t { open, committed, aborted };

  struct Stored {
    SimRecord record;
    std::int64_t transaction = 0;  // 0: none
    bool is_control = false;
  };

  struct Log {
    std::deque<Stored> records;  // records[i] is at offset start + i
    std::int64_t start = 0;

    std::int64_t end() const { return start + static_cast<std::int64_t>(records.size()); }
  };

  struct Topic {
    TopicOptions options;
    std::int64_t id = 0;
    std::vector<Log> logs;
  };

  using TopicPartition = std::pair<std::string, std::int32_t>;

  struct CommittedOffset {
    NextOffset next;
    std::string metadata;
  };

  struct Member {
    bool has_joined = false;  // gave up the old generation's partitions
    std::vector<TopicPartition> partitions;
    std::vector<std::string> topics;
  };

  struct Group {
    std::int64_t generation = 0;
    bool is_rebalancing = false;
    std::map<std::int64_t, Member> members;
    std::map<TopicPartition, CommittedOffset> offsets;
  };

  struct Transaction {
    Fate fate = Fate::open;
    std::set<TopicPartition> partitions;
    std::string group;
    std::map<TopicPartition, CommittedOffset> offsets;
  };

  struct Producer {
    std::int64_t epoch = 0;
    std::int64_t open_transaction = 0;  // 0: none
    std::optional<Fate> last_fate;      // of this epoch's transactions
  };

  // A request that comes again when its answer is late: EndTxn or TxnOffsetCommit.
  struct Request {
    enum class Kind : std::uint8_t { commit, abort, offsets };

    Kind kind = Kind::commit;
    std::string transactional_id;
    std::int64_t epoch = 0;
    // Of offsets.
    std::string group;
    std::int64_t member = 0;
    std::int64_t generation = 0;
    std::map<TopicPartition, CommittedOffset> offsets;
  };

  enum class Answer : std::uint8_t { ok, fenced, not_a_member, no_such_transaction };

  TopicIdentity identity(const std::string& topic) const;
  Log& log(const TopicPartition& where);
  const Log& log(const TopicPartition& where) const;
  std::int64_t last_stable(const Log& log) const;
  bool is_visible(const Stored& stored) const;
  std::int64_t begin_transaction();
  void end_transaction(std::int64_t transaction, Fate fate);
  Transaction& transaction_of(const std::string& transactional_id);
  Answer answer(const Request& request);
  Answer end(Producer& producer, Fate fate);
  Answer take_offsets(Producer& producer, const Request& request);
  bool has_pending_offset(const std::string& group, const TopicPartition& where) const;
  void start_rebalance(Group& group);
  void take_out(const std::string& group, std::int64_t member);
  void try_assign(Group& group);

  std::map<std::string, Topic> topics_;
  std::map<std::string, Group> groups_;
  std::map<std::string, Producer> producers_;
  std::map<std::int64_t, Transaction> transactions_;
  std::vector<Request> late_copies_;
  std::int64_t last_id_ = 0;
  bool hides_topic_ids_ = false;
};

}  // namespace weir
