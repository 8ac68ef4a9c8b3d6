#include "kafka/source.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/gathering.h"
#include "kafka/membership.h"
#include "kafka/requests.h"
#include "kafka/sink.h"
#include "kafka/topic_guard.h"
#include "text/quantity.h"
#include "weir/test_points.h"

namespace weir {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// One slice of a question that is asked again until the settings' `request_wait_max`.
constexpr milliseconds kSlice{1000};

Result<std::string> print(const rd_kafka_consumer_group_metadata_t& membership,
                          std::string_view group) {
  void* bytes = nullptr;
  std::size_t size = 0;
  if (const ErrorPtr error(rd_kafka_consumer_group_metadata_write(&membership, &bytes, &size));
      error) {
    return Status::abort(
        fmt::format("membership of group {}: {}", group, rd_kafka_error_string(error.get())));
  }
  std::string printed(static_cast<const char*>(bytes), size);
  rd_kafka_mem_free(nullptr, bytes);
  return printed;
}

}  // namespace

// Which input a message belongs to. Remembers the last topic handle, which is good as long as a
// message that is kept keeps the handle: within one poll.
class KafkaSource::TopicCache {
 public:
  explicit TopicCache(const KafkaSource& source) : source_(source) {}

  std::optional<InputIndex> input_of(const rd_kafka_message_t& message) {
    if (message.rkt == nullptr) {
      return std::nullopt;
    }
    if (topic_ != message.rkt) {
      topic_ = message.rkt;
      input_ = source_.input_of(rd_kafka_topic_name(message.rkt));
    }
    return input_;
  }

 private:
  const KafkaSource& source_;
  const rd_kafka_topic_t* topic_ = nullptr;
  std::optional<InputIndex> input_;
};

KafkaSource::KafkaSource(SourceSettings settings)
    : settings_(std::move(settings)),
      fences_(std::make_unique<FenceWatch>()),
      topics_(std::make_unique<TopicGuard>(settings_.cluster)) {}

KafkaSource::~KafkaSource() = default;

void KafkaSource::knock() {
  if (connect().is_ok()) {
    static_cast<void>(topic_shape(*client_, settings_.inputs.front(), kSlice));
  }
}

bool KafkaSource::is_reachable() const {
  return client_ && client_->is_reachable();
}

steady_clock::time_point KafkaSource::last_answer() const {
  return client_ ? client_->last_answer() : steady_clock::now();
}

std::optional<InputIndex> KafkaSource::input_of(std::string_view topic) const {
  const auto found = std::find(settings_.inputs.begin(), settings_.inputs.end(), topic);
  if (found == settings_.inputs.end()) {
    return std::nullopt;
  }
  return InputIndex(static_cast<std::uint16_t>(found - settings_.inputs.begin()));
}

// ---- joining ----

Status KafkaSource::connect() {
  if (client_) {
    return Status::ok();
  }
  std::vector<Property> own{
      {"group.id", settings_.group},
      {"isolation.level", "read_committed"},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"partition.assignment.strategy", "range"},
      {"enable.partition.eof", "true"},
      {"check.crcs", "true"},
      {"session.timeout.ms", std::to_string(settings_.session_silence_max.count())},
      {"heartbeat.interval.ms",
       std::to_string(std::min<std::int64_t>(settings_.session_silence_max.count() / 3, 3000))},
      {"max.poll.interval.ms", std::to_string(settings_.poll_silence_max.count())},
  };
  if (!settings_.instance.empty()) {
    own.push_back({"group.instance.id", settings_.instance});
  }
  ClusterSettings cluster = settings_.cluster;
  // Ours as a default only. A fetch that waits longer at the end of the log delays every rewind by
  // as much; prefetched records beyond this many bytes only cost memory.
  cluster.properties.insert(cluster.properties.begin(), {{"fetch.wait.max.ms", "100"},
                                                         {"queued.max.messages.kbytes", "32768"}});
  WEIR_TRY_ASSIGN(client_,
                  Client::make(RD_KAFKA_CONSUMER, cluster, own,
                               {.delivered = {},
                                .rebalanced = [this](rd_kafka_resp_err_t code,
                                                     rd_kafka_topic_partition_list_t* list) {
                                  rebalanced(code, *list);
                                }}));
  return Status::ok();
}

Status KafkaSource::open(AssignmentListener& listener) {
  listener_ = &listener;
  return subscribe();
}

Status KafkaSource::subscribe() {
  WEIR_TRY(connect());
  if (is_subscribed_) {
    return Status::ok();
  }
  const ListPtr topics(
      rd_kafka_topic_partition_list_new(static_cast<int>(settings_.inputs.size())));
  for (const std::string& topic : settings_.inputs) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  if (const rd_kafka_resp_err_t code = rd_kafka_subscribe(client_->get(), topics.get())) {
    return failure_of_call(code, fmt::format("joining group {}", settings_.group));
  }
  is_subscribed_ = true;
  return Status::ok();
}

Status KafkaSource::rejoin() {
  owned_.clear();
  is_told_ = true;
  was_lost_ = false;
  listener_failure_ = Status::ok();
  is_subscribed_ = false;
  client_.reset();
  return listener_ == nullptr ? Status::ok() : subscribe();
}

void KafkaSource::close() {
  if (!client_) {
    return;
  }
  if (!owned_.empty() && is_told_) {
    listener_->revoked(false);
  }
  owned_.clear();
  is_subscribed_ = false;
  client_.reset();
}

// Within rd_kafka_consumer_poll, on the lane's thread.
void KafkaSource::rebalanced(int code, const List& partitions) {
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    owned_.clear();
    bool is_ours = true;
    for (int i = 0; i < partitions.cnt; ++i) {
      const auto input = input_of(partitions.elems[i].topic);
      is_ours = is_ours && input;
      if (input) {
        owned_[{*input, Partition(partitions.elems[i].partition)}] = std::nullopt;
      }
    }
    was_lost_ = false;
    if (!is_ours) {
      stay_away();
      return;
    }
    is_told_ = false;
    tell_assigned();
    return;
  }
  // A client that already knows of the loss must not be asked to commit; one that doesn't know yet
  // is refused by the broker.
  const bool is_lost = was_lost_ || rd_kafka_assignment_lost(client_->get()) != 0;
  if (is_told_) {
    listener_->revoked(is_lost);
  }
  owned_.clear();
  is_told_ = true;
  was_lost_ = false;
  if (gathering_ != nullptr) {
    gathering_->clear();
  }
  rd_kafka_assign(client_->get(), nullptr);
}

// The group remembers this static member with the topics of an earlier configuration and hands
// those out again, ours to nobody, until the member has been away for a session.
void KafkaSource::stay_away() {
  away_until_ = steady_clock::now() + settings_.session_silence_max + kSlice;
  owned_.clear();
  is_told_ = true;
  rd_kafka_assign(client_->get(), nullptr);
  listener_failure_ = away();
}

Status KafkaSource::away() const {
  return Status::retry(fmt::format(
      "group {} remembers its member {} with other topics; staying away until it has forgotten, "
      "which takes session.timeout.ms ({})",
      settings_.group, settings_.instance, duration_text(settings_.session_silence_max)));
}

// Asks the listener where to read. Its failure leaves the partitions unread, and poll says so; the
// next poll asks again unless a seek has settled it.
void KafkaSource::tell_assigned() {
  std::vector<InputPartition> partitions;
  for (const auto& [where, next] : owned_) {
    partitions.push_back(where);
  }
  const Result<std::vector<Position>> positions = listener_->assigned(partitions);
  if (positions.is_ok()) {
    is_told_ = true;
    for (const Position& position : positions.value()) {
      if (const auto found = owned_.find(position.where); found != owned_.end()) {
        found->second = position.next;
      }
    }
  } else {
    listener_failure_ = positions.status();
  }
  if (const Status assigned = assign_read(); !assigned.is_ok() && listener_failure_.is_ok()) {
    listener_failure_ = assigned;
  }
}

// Assigning anew is the one way to another position that never delivers what was fetched before:
// it raises every partition's version barrier before it returns. (seek in 2.0.2 fails, unnoticed
// without waiting, while a partition is just being started.)
Status KafkaSource::assign_read() {
  was_lost_ = was_lost_ || rd_kafka_assignment_lost(client_->get()) != 0;
  const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(owned_.size())));
  for (const auto& [where, next] : owned_) {
    if (next) {
      rd_kafka_topic_partition_list_add(list.get(), settings_.inputs[where.input.value()].c_str(),
                                        where.partition.value())
          ->offset = next->value();
    }
  }
  // An empty list, not nullptr: that would start a new rebalance.
  if (const rd_kafka_resp_err_t code = rd_kafka_assign(client_->get(), list.get())) {
    return code == RD_KAFKA_RESP_ERR__FATAL
               ? fatal_failure("")
               : Status::rejoin("other", fmt::format("assigning partitions of group {}: {}",
                                                     settings_.group, rd_kafka_err2str(code)));
  }
  // The client ends the process when it is given another assignment, as a revocation that waits in
  // its queue makes us give it, before it has heard that these partitions were stopped. It answers
  // this question after that.
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  static_cast<void>(rd_kafka_assignment(client_->get(), &assigned));
  const ListPtr unused(assigned);
  return Status::ok();
}

Status KafkaSource::seek(std::span<const Position> positions) {
  for (const Position& position : positions) {
    if (const auto found = owned_.find(position.where); found != owned_.end()) {
      found->second = position.next;
    }
  }
  is_told_ = is_told_ || std::all_of(owned_.begin(), owned_.end(),
                                     [](const auto& owned) { return owned.second.has_value(); });
  return owned_.empty() ? Status::ok() : assign_read();
}

// ---- reading ----

Result<Batch> KafkaSource::poll(milliseconds wait_max, std::size_t records_max) {
  if (away_until_) {
    if (is_subscribed_) {
      client_.reset();
      is_subscribed_ = false;
    }
    if (steady_clock::now() < *away_until_) {
      return away();
    }
    WEIR_TRY(subscribe());
    away_until_.reset();
  }
  WEIR_ASSERT(client_ && is_subscribed_);
  if (!is_told_) {
    tell_assigned();
  }
  Gathering gathering;
  TopicCache topics(*this);
  gathering_ = &gathering;
  Status failure = std::exchange(listener_failure_, Status::ok());
  const auto deadline = steady_clock::now() + wait_max;
  while (failure.is_ok() && gathering.size() < records_max) {
    const auto left = gathering.is_empty()
                          ? std::chrono::ceil<milliseconds>(deadline - steady_clock::now())
                          : milliseconds(0);
    MessagePtr message(
        rd_kafka_consumer_poll(client_->get(), to_ms(std::max(left, milliseconds(0)))));
    failure = std::exchange(listener_failure_, Status::ok());
    if (failure.is_ok() && !message) {
      // Said once, and not to who was just given another assignment: a member that another had
      // taken the place of polled for ever, its partitions' state locked.
      failure = rd_kafka_fatal_error(client_->get(), nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR
                    ? Status::ok()
                    : fatal_failure("");
    }
    if (!failure.is_ok() || !message) {
      break;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      failure = take_error(*message, gathering);
      continue;
    }
    const std::optional<InputIndex> input = topics.input_of(*message);
    if (!input) {
      continue;
    }
    const InputPartition where{*input, Partition(message->partition)};
    if (const auto owned = owned_.find(where); owned != owned_.end()) {
      owned->second = next(Offset(message->offset));
      gathering.add(where, std::move(message));
    }
  }
  gathering_ = nullptr;
  if (!failure.is_ok()) {
    return failure;
  }
  return std::move(gathering).finish();
}

Status KafkaSource::take_error(const rd_kafka_message_t& message, Gathering& gathering) {
  const std::string_view topic = message.rkt == nullptr ? "" : rd_kafka_topic_name(message.rkt);
  const std::optional<InputIndex> input = input_of(topic);
  const auto place = [&] {
    return fmt::format("topic {} partition {} offset {}", topic, message.partition, message.offset);
  };
  if (input && is_unreadable(message.err)) {  // without a topic it is the group's, and asked again
    return Status::stop(ExitCode::bad_input, fmt::format("{} can't be read: {}", place(),
                                                         rd_kafka_message_errstr(&message)));
  }
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: {
      if (input) {
        const InputPartition where{*input, Partition(message.partition)};
        if (const auto owned = owned_.find(where); owned != owned_.end()) {
          owned->second = NextOffset(message.offset);
          gathering.add_end({where, NextOffset(message.offset)});
        }
      }
      return Status::ok();
    }
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: {
      // Comes once; afterwards the partition would be silent for ever. Seen, too, of the start
      // of a topic that was just created: there nothing can have been skipped, and it is read
      // again.
      const auto owned = input ? owned_.find({*input, Partition(message.partition)}) : owned_.end();
      if (input && owned == owned_.end()) {
        return Status::ok();  // said late, of what another member reads now
      }
      std::string held;
      if (owned != owned_.end() && owned->second) {
        const Result<LogBounds> bounds = log_bounds(owned->first);
        if (!bounds.is_ok()) {
          return bounds.status().remedy() == Remedy::retry
                     ? Status::abort(bounds.status().message())
                     : bounds.status();
        }
        held = fmt::format(", and the log holds {} to {}", bounds.value().start.value(),
                           bounds.value().end.value());
        if (*owned->second == bounds.value().start) {
          return assign_read();
        }
        if (*owned->second > bounds.value().start && *owned->second <= bounds.value().end) {
          // Said by a broker under load of a partition in which nothing was gone. Whoever joins
          // again asks what the topic is before it reads on.
          return Status::rejoin(
              "other", fmt::format("{}: {}{}", place(), rd_kafka_message_errstr(&message), held));
        }
      }
      return Status::stop(
          ExitCode::bad_input,
          fmt::format(
              "{} of group {} can't be read: {}{}. The records from there on are gone, deleted "
              "unread (by the topic's retention, or by somebody), or the topic isn't the one that "
              "was "
              "read before: deploy a new version (raise `version:`), which starts by `start`",
              place(), settings_.group, rd_kafka_message_errstr(&message), held));
    }
    case RD_KAFKA_RESP_ERR__FATAL:
      return fatal_failure(rd_kafka_message_errstr(&message));
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: {
      // Brokers say this of a topic, too, that they don't know yet: ask again, about each.
      for (const std::string& each : settings_.inputs) {
        const Result<std::optional<TopicShape>> found = find_topic_shape(*client_, each, kSlice);
        if (found.is_ok() && !found.value()) {
          return topic_is_gone(each);
        }
        if (!found.is_ok() && found.status().remedy() == Remedy::stop) {
          return found.status();
        }
      }
      return Status::ok();
    }
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
      return failure_of(*client_, message.err,
                        fmt::format("reading {} in group {}", topic, settings_.group));
    default:
      // All else passes, or the broker away, or _MAX_POLL_EXCEEDED, which a revocation follows.
      return Status::ok();
  }
}

// A client with a fatal error answers every call with no more than that it has one.
Status KafkaSource::failure_of_call(int code, std::string_view doing) {
  return code == RD_KAFKA_RESP_ERR__FATAL
             ? fatal_failure(doing)
             : failure_of(*client_, static_cast<rd_kafka_resp_err_t>(code), doing);
}

Status KafkaSource::fatal_failure(std::string_view detail) {
  char why[512] = "";
  const rd_kafka_resp_err_t code = rd_kafka_fatal_error(client_->get(), why, sizeof(why));
  const bool is_fenced = code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
  if (is_fenced && fences_->note(steady_clock::now())) {
    return Status::stop(
        ExitCode::temporary,
        fmt::format("group {}: another live process is the group instance {} and keeps taking its "
                    "place. {}",
                    settings_.group, settings_.instance,
                    way_out_of_fences(settings_.cluster.bootstrap, settings_.group)));
  }
  return Status::rejoin(is_fenced ? "fenced" : "other",
                        fmt::format("consumer of group {} instance {}: {}", settings_.group,
                                    settings_.instance, why[0] != '\0' ? why : detail));
}

// ---- questions ----

Result<std::vector<Committed>> KafkaSource::committed(std::span<const InputPartition> partitions) {
  WEIR_TRY(connect());
  std::vector<Committed> answer;
  if (partitions.empty()) {
    return answer;
  }
  const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const InputPartition& where : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), settings_.inputs[where.input.value()].c_str(),
                                      where.partition.value());
  }
  const std::string doing =
      fmt::format("asking for the committed offsets of group {}", settings_.group);
  const auto deadline = steady_clock::now() + settings_.cluster.request_wait_max;
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  do {
    code = rd_kafka_committed(client_->get(), list.get(), to_ms(kSlice));
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; ++i) {
      // Per partition: UNSTABLE_OFFSET_COMMIT while a transaction on it is being ended.
      code = list->elems[i].err;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
        failure_of(*client_, code, doing).remedy() != Remedy::retry) {
      break;
    }
  } while (code != RD_KAFKA_RESP_ERR_NO_ERROR && steady_clock::now() < deadline);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const Status failure = failure_of_call(code, doing);
    // The client asks again by itself while a transaction holds offsets, and says only that it took
    // too long. A broker that answers nothing else either has another trouble.
    const bool is_answered =
        is_reachable() && steady_clock::now() - last_answer() < settings_.cluster.request_wait_max;
    return failure.remedy() == Remedy::retry && is_answered
               ? Status::retry(failure.message() +
                               "; if this goes on for longer than transaction.timeout.ms, a "
                               "transaction that the broker failed to end holds them: "
                               "kafka-transactions.sh find-hanging shows it, abort ends it")
               : failure;
  }
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const rd_kafka_topic_partition_t& got = list->elems[i];
    Committed& one = answer.emplace_back();
    one.where = partitions[i];
    if (got.offset >= 0) {
      one.next = NextOffset(got.offset);
      one.metadata.assign(static_cast<const char*>(got.metadata), got.metadata_size);
    }
  }
  return answer;
}

Status KafkaSource::found_group(std::span<const OffsetToCommit> beginnings) {
  WEIR_TRY(connect());
  // Lanes of one process that start together would only fence each other.
  static std::timed_mutex one_at_a_time;
  const std::unique_lock hold(one_at_a_time, settings_.cluster.request_wait_max);
  if (!hold) {
    return Status::retry(
        fmt::format("founding group {}: another lane is still at it", settings_.group));
  }
  SinkSettings settings;
  settings.cluster = settings_.cluster;
  settings.transactional_id = settings_.group + ".founder";
  settings.inputs = settings_.inputs;
  KafkaSink founder(settings);
  const auto deadline = steady_clock::now() + settings_.cluster.request_wait_max;
  const auto in_time = [&](const auto& call) {
    Status done = call();
    while (!done.is_ok() && done.remedy() == Remedy::retry && steady_clock::now() < deadline) {
      done = call();
    }
    // Whatever this transaction came to, the next founder ends it.
    return done.is_ok() || done.remedy() == Remedy::stop
               ? done
               : Status::retry(
                     fmt::format("founding group {}: {}", settings_.group, done.message()));
  };
  // Fences earlier founders, and only then looks: one of them may have been held up between its
  // look and its commit for longer than the group has existed since.
  WEIR_TRY(in_time([&] { return founder.open(); }));
  std::vector<InputPartition> partitions;
  for (const OffsetToCommit& beginning : beginnings) {
    partitions.push_back(beginning.where);
  }
  WEIR_TRY_ASSIGN(const std::vector<Committed> now, committed(partitions));
  if (std::any_of(now.begin(), now.end(), [](const Committed& c) { return c.next.has_value(); })) {
    return Status::ok();
  }
  test_point("before_founding");
  const GroupPtr nobody(rd_kafka_consumer_group_metadata_new(settings_.group.c_str()));
  WEIR_TRY_ASSIGN(const std::string membership, print(*nobody, settings_.group));
  WEIR_TRY(in_time([&] { return founder.begin(); }));
  WEIR_TRY(in_time([&] { return founder.send_offsets(beginnings, membership); }));
  WEIR_TRY(in_time([&] { return founder.commit(); }));
  // A late copy of what had no clean answer would hold the offsets up.
  return founder.doubt() == Doubt::none ? Status::ok()
                                        : in_time([&] { return founder.recreate(); });
}

namespace {

// As ListOffsets asks for a time: what is below means something else.
std::int64_t time_query(Timestamp time) {
  return std::max<std::int64_t>(time.value(), 0);
}

}  // namespace

Result<const Client*> KafkaSource::committed_reader() {
  WEIR_TRY(connect());
  return client_.get();
}

Result<const Client*> KafkaSource::uncommitted_reader() {
  if (!uncommitted_client_) {
    WEIR_TRY_ASSIGN(uncommitted_client_, make_uncommitted_reader(settings_.cluster));
  }
  return uncommitted_client_.get();
}

Result<NextOffset> KafkaSource::list_offset(Result<const Client*> client, InputPartition where,
                                            std::int64_t query) const {
  WEIR_TRY_ASSIGN(const Client* asked, std::move(client));
  return log_offset(*asked, settings_.inputs[where.input.value()], where.partition, query,
                    settings_.cluster.request_wait_max);
}

Result<LogBounds> KafkaSource::log_bounds(InputPartition where) {
  WEIR_TRY_ASSIGN(const NextOffset start,
                  list_offset(committed_reader(), where, RD_KAFKA_OFFSET_BEGINNING));
  WEIR_TRY_ASSIGN(const NextOffset end,
                  list_offset(committed_reader(), where, RD_KAFKA_OFFSET_END));
  return LogBounds{start, end};
}

Result<NextOffset> KafkaSource::log_end(InputPartition where, std::optional<Timestamp> until) {
  return list_offset(uncommitted_reader(), where,
                     until ? time_query(*until) : std::int64_t{RD_KAFKA_OFFSET_END});
}

Result<NextOffset> KafkaSource::offset_at(InputPartition where, Timestamp time) {
  return list_offset(committed_reader(), where, time_query(time));
}

std::optional<NextOffset> KafkaSource::known_end(InputPartition where) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (!client_ || rd_kafka_get_watermark_offsets(
                      client_->get(), settings_.inputs[where.input.value()].c_str(),
                      where.partition.value(), &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return high < 0 ? std::nullopt : std::optional(NextOffset(high));
}

std::vector<Position> KafkaSource::ends(std::span<const InputPartition> partitions) {
  std::vector<Position> ends;
  if (!client_ || partitions.empty()) {
    return ends;
  }
  const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const InputPartition& where : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), settings_.inputs[where.input.value()].c_str(),
                                      where.partition.value())
        ->offset = RD_KAFKA_OFFSET_END;
  }
  if (rd_kafka_offsets_for_times(client_->get(), list.get(), to_ms(kSlice)) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return ends;
  }
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const rd_kafka_topic_partition_t& told = list->elems[i];
    if (told.err == RD_KAFKA_RESP_ERR_NO_ERROR && told.offset >= 0) {
      ends.push_back({partitions[i], NextOffset(told.offset)});
    }
  }
  return ends;
}

Result<TopicIdentity> KafkaSource::identity(InputIndex input) {
  WEIR_TRY(connect());
  return topics_->identity(*client_, settings_.inputs[input.value()]);
}

Result<std::string> KafkaSource::membership() {
  const GroupPtr group(client_ ? rd_kafka_consumer_group_metadata(client_->get()) : nullptr);
  if (!group || owned_.empty()) {
    // Without a member's name the broker would accept the offsets, whoever owns the partitions.
    return Status::abort(fmt::format("not a member of group {} now", settings_.group));
  }
  WEIR_TRY_ASSIGN(std::string membership, print(*group, settings_.group));
  if (!names_a_member(membership)) {
    return Status::abort(fmt::format("not a member of group {} any more", settings_.group));
  }
  return membership;
}

}  // namespace weir
