#include "kafka/sink.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/record_weight.h"
#include "kafka/requests.h"
#include "kafka/topic_guard.h"
#include "loop/partitioner.h"
#include "text/quantity.h"
#include "text/words.h"

namespace weir {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace {

// How long one call blocks at most.
constexpr milliseconds kSlice{1000};
// send_offsets can't be resumed: cut short in its second half it costs the transaction.
constexpr milliseconds kSendOffsetsWaitMax{5000};
constexpr milliseconds kFlushSlice{20};
constexpr std::size_t kReportsServedEvery = 500;
// For how long a topic's limit is taken for what it was: somebody may raise it.
constexpr std::chrono::seconds kLimitTrusted{10};

std::int64_t milliseconds_now() {
  return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<std::string_view> refusal_reason(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return Refusal::kTooLarge;
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return Refusal::kTimestamp;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return Refusal::kOther;
    default:
      return std::nullopt;
  }
}

std::string refusal_message(const std::string& topic, rd_kafka_resp_err_t code,
                            std::size_t value_bytes, std::optional<std::size_t> limit = {}) {
  return fmt::format(
      "topic {}: {}{}", topic, rd_kafka_err2str(code),
      refusal_reason(code) == Refusal::kTooLarge
          ? fmt::format(" (a value of {} bytes before compression, to which come key, headers and "
                        "some 70 of framing; the limit is the topic's max.message.bytes{}, after "
                        "it)",
                        value_bytes, limit ? fmt::format(" of {}", *limit) : "")
          : "");
}

}  // namespace

struct KafkaSink::Output {
  std::string topic;
  std::int32_t partitions = 0;
  // Over how many keys are spread, from the first transaction on: more partitions are another place
  // for each key, and that is for the lane's check of its topics to judge, not for a producer made
  // anew. Until then it is what identity() said last, for that the lane takes for the rule.
  std::int32_t partitions_of_keys = 0;
  TopicPtr handle;
  // The topic's max.message.bytes; nullopt: not known.
  std::optional<std::size_t> bytes_max;
  steady_clock::time_point limit_asked;
  // The earliest timestamp ahead of the clock that the broker refused in the turn that is being
  // tried again: whatever is stamped as late is refused, too. Spares one abort per record.
  std::optional<Timestamp> refused_from;
};

KafkaSink::KafkaSink(SinkSettings settings)
    : settings_(std::move(settings)),
      fences_(std::make_unique<FenceWatch>()),
      topics_(std::make_unique<TopicGuard>(settings_.cluster)),
      batch_bytes_(kBatchBytesMax) {
  for (const std::string& topic : settings_.outputs) {
    outputs_.emplace_back().topic = topic;
  }
}

KafkaSink::~KafkaSink() {
  drop_client();
}

// ---- opening ----

Status KafkaSink::connect() {
  if (client_) {
    return Status::ok();
  }
  const std::string age = std::to_string(settings_.transaction_age_max.count());
  std::vector<Property> own{
      {"transactional.id", settings_.transactional_id},
      {"transaction.timeout.ms", age},
      {"message.timeout.ms", age},
      {"delivery.report.only.error", "false"},
      {"partitioner", "murmur2_random"},
      // What a record may weigh is for the topic to say; the broker refuses what is too large.
      {"message.max.bytes", "100000000"},
      {"batch.size", std::to_string(batch_bytes_)},
  };
  if (wants_one_by_one_) {
    own.push_back({"batch.num.messages", "1"});
  }
  ClusterSettings cluster = settings_.cluster;
  cluster.properties.insert(cluster.properties.begin(), {{"compression.codec", "lz4"},
                                                         {"linger.ms", "5"},
                                                         {"queue.buffering.max.messages", "200000"},
                                                         {"queue.buffering.max.kbytes", "262144"}});
  WEIR_TRY_ASSIGN(
      client_,
      Client::make(RD_KAFKA_PRODUCER, cluster, own,
                   {.delivered = [this](const rd_kafka_message_t& message) { delivered(message); },
                    .rebalanced = {}}));
  one_by_one_ = wants_one_by_one_;
  const std::string codec = client_->property("compression.codec");
  can_weigh_ = codec == "lz4" || codec == "none";
  lz4_level_.reset();
  if (codec == "lz4") {
    const int level = std::atoi(client_->property("compression.level").c_str());
    lz4_level_ = std::max(level, 0);  // -1: the codec's own default, which is 0
  }
  for (Output& output : outputs_) {
    output.handle.reset(rd_kafka_topic_new(client_->get(), output.topic.c_str(), nullptr));
    if (!output.handle) {
      return Status::stop(ExitCode::config,
                          fmt::format("\"{}\" is no name for a topic", output.topic));
    }
  }
  return Status::ok();
}

void KafkaSink::drop_client() {
  for (Output& output : outputs_) {
    output.handle.reset();
  }
  client_.reset();
  is_warm_ = false;
  is_open_ = false;
}

// Asks for every output's partitions: it is needed to choose one, and the first record of a topic
// whose metadata isn't there yet waits up to a second.
Status KafkaSink::warm_up() {
  if (is_warm_) {
    return Status::ok();
  }
  std::size_t limit = kBatchBytesMax;
  std::string why = "no topic's max.message.bytes asks for smaller batches any more";
  for (Output& output : outputs_) {
    WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                    find_topic_shape(*client_, output.topic, kSlice));
    if (!shape) {
      return topic_is_gone(output.topic);
    }
    output.partitions = shape->partitions;
    if (output.partitions_of_keys == 0) {
      output.partitions_of_keys = shape->partitions;
    }
    WEIR_TRY_ASSIGN(output.bytes_max, message_bytes_max(*client_, output.topic, kSlice));
    output.limit_asked = steady_clock::now();
    if (const std::size_t bytes = batch_bytes_max(output.bytes_max); bytes < limit) {
      limit = bytes;
      why = fmt::format("topic {} has max.message.bytes {}, which asks for other batches",
                        output.topic, output.bytes_max.value_or(bytes));
    }
  }
  if (limit != batch_bytes_) {
    batch_bytes_ = limit;
    drop_client();
    return Status::retry(why);
  }
  is_warm_ = true;
  return Status::ok();
}

Status KafkaSink::open() {
  if (is_open_) {
    return Status::ok();
  }
  WEIR_TRY(connect());
  WEIR_TRY(warm_up());
  if (rd_kafka_error_t* error = rd_kafka_init_transactions(client_->get(), to_ms(kSlice))) {
    return failure_of_call(error, "fencing earlier producers");
  }
  client_->ledger().calibrate();
  is_open_ = true;
  return Status::ok();
}

Result<bool> KafkaSink::has_written() {
  WEIR_ASSERT(is_open_);
  for (const Output& output : outputs_) {
    for (std::int32_t p = 0; p < output.partitions; ++p) {
      WEIR_TRY_ASSIGN(const NextOffset end, log_offset(*client_, output.topic, Partition(p),
                                                       RD_KAFKA_OFFSET_END, kSlice));
      if (end > NextOffset(0)) {
        return true;
      }
    }
  }
  return false;
}

Result<TopicIdentity> KafkaSink::identity(OutputIndex index) {
  WEIR_TRY(connect());
  Output& output = outputs_[index.value()];
  WEIR_TRY_ASSIGN(TopicIdentity identity, topics_->identity(*client_, output.topic));
  if (!has_ever_begun_) {
    output.partitions = identity.partitions;
    output.partitions_of_keys = identity.partitions;
  }
  return identity;
}

Status KafkaSink::recreate() {
  if (!is_recreating_) {
    // Whoever asks while this takes several attempts must hear the same.
    cut_off_doubt_ = doubt();
    is_cut_off_ = client_ && in_transaction_;
    is_spoilt_ = false;
    end_transaction();
    drop_client();
    is_recreating_ = true;
  }
  Status opened = open();
  if (!opened.is_ok() && opened.remedy() == Remedy::recreate) {
    drop_client();
    return Status::retry(opened.message());
  }
  if (opened.is_ok()) {
    is_recreating_ = false;
    cut_off_doubt_ = is_cut_off_ ? cut_off_doubt_ : Doubt::none;
  }
  return opened;
}

// ---- a transaction ----

std::optional<Refusal> KafkaSink::foresee_refusal(const OutRecord& record) {
  Output& output = outputs_[record.output.value()];
  if (is_too_large(output, record)) {
    return Refusal{record.origin, record.output, Refusal::kTooLarge,
                   refusal_message(output.topic, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                   record.value.value_or("").size(), output.bytes_max)};
  }
  if (output.refused_from && record.timestamp >= *output.refused_from) {
    return Refusal{
        record.origin, record.output, Refusal::kTimestamp,
        fmt::format("topic {} refuses the timestamp {}", output.topic, record.timestamp.value())};
  }
  return std::nullopt;
}

bool KafkaSink::is_too_large(Output& output, const OutRecord& record) {
  if (!can_weigh_ || !output.bytes_max || most_weight(record) <= *output.bytes_max) {
    return false;
  }
  const std::size_t weight = batch_weight(record, lz4_level_);
  if (weight <= *output.bytes_max) {
    return false;
  }
  if (const auto now = steady_clock::now(); now - output.limit_asked > kLimitTrusted) {
    const Result<std::optional<std::size_t>> limit =
        message_bytes_max(*client_, output.topic, kSlice);
    output.bytes_max = limit.is_ok() ? limit.value() : std::nullopt;  // then the broker says it
    output.limit_asked = now;
  }
  return output.bytes_max && weight > *output.bytes_max;
}

Status KafkaSink::begin() {
  WEIR_ASSERT(client_ && !in_transaction_);
  if (is_spoilt_) {
    return Status::recreate("other", "the last transaction's producer can't be used again");
  }
  client_->ledger().begin();
  cut_off_doubt_ = Doubt::none;
  end_transaction();
  refusals_.clear();
  if (rd_kafka_error_t* error = rd_kafka_begin_transaction(client_->get())) {
    return failure_of_call(error, "beginning a transaction");
  }
  in_transaction_ = true;
  has_ever_begun_ = true;
  return Status::ok();
}

void KafkaSink::end_transaction() {
  in_transaction_ = false;
  sent_.clear();
  acknowledged_ = 0;
  failed_ = 0;
  first_failure_.clear();
  suspects_.clear();
  commit_began_.reset();
  abort_began_.reset();
}

Status KafkaSink::send(std::span<const OutRecord> records) {
  WEIR_ASSERT(in_transaction_);
  for (std::size_t i = 0; i < records.size(); ++i) {
    WEIR_TRY(send_one(records[i]));
    if (i % kReportsServedEvery == 0) {
      rd_kafka_poll(client_->get(), 0);
    }
  }
  rd_kafka_poll(client_->get(), 0);
  if (failed_ > 0 || !refusals_.empty()) {
    return delivery_failure();
  }
  return Status::ok();
}

Status KafkaSink::send_one(const OutRecord& record) {
  const Output& output = outputs_[record.output.value()];
  std::int32_t partition = record.partition.value();
  if (record.partition == kPartitionByKey) {
    // Without a key any partition will do, as long as it is the same when this is repeated.
    partition =
        record.key
            ? partition_of(*record.key, output.partitions_of_keys).value()
            : static_cast<std::int32_t>(record.origin.offset.value() % output.partitions_of_keys);
  }
  if (partition >= output.partitions) {
    return Status::stop(
        ExitCode::config,
        fmt::format("topic {} has {} partitions, and a record must go to partition {}: it needs as "
                    "many as the input (`{} topics apply` shows both)",
                    output.topic, output.partitions, partition, tool_command()));
  }
  HeadersPtr headers;
  if (!record.headers.empty()) {
    headers.reset(rd_kafka_headers_new(record.headers.size()));
    for (const Header& header : record.headers) {
      rd_kafka_header_add(headers.get(), header.name.data(),
                          static_cast<ssize_t>(header.name.size()),
                          header.value ? header.value->data() : nullptr,
                          header.value ? static_cast<ssize_t>(header.value->size()) : 0);
    }
  }
  // A null pointer means no key or a tombstone; an empty string must not be one.
  const auto start_of = [](const std::optional<std::string_view>& bytes) {
    return bytes ? (bytes->data() == nullptr ? "" : bytes->data()) : nullptr;
  };
  const auto size_of = [](const std::optional<std::string_view>& bytes) {
    return bytes ? bytes->size() : std::size_t{0};
  };
  const auto deadline = steady_clock::now() + kSlice;
  for (;;) {
    // Without the header's macros, which are no standard C++.
    const rd_kafka_resp_err_t code = rd_kafka_producev(
        client_->get(), RD_KAFKA_VTYPE_RKT, output.handle.get(), RD_KAFKA_VTYPE_PARTITION,
        partition, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_KEY,
        start_of(record.key), size_of(record.key), RD_KAFKA_VTYPE_VALUE, start_of(record.value),
        size_of(record.value), RD_KAFKA_VTYPE_TIMESTAMP, record.timestamp.value(),
        RD_KAFKA_VTYPE_HEADERS, headers.get(),
        // An index, which the delivery report brings back.
        RD_KAFKA_VTYPE_OPAQUE, reinterpret_cast<void*>(sent_.size()),  // NOLINT
        RD_KAFKA_VTYPE_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      static_cast<void>(headers.release());  // the client owns them now
      sent_.push_back({record.origin, record.output, record.timestamp});
      return Status::ok();
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      // Records count until their reports are served.
      rd_kafka_poll(client_->get(), 10);
      if (failed_ > 0) {
        return delivery_failure();
      }
      if (steady_clock::now() > deadline) {
        // Not retry: some of the records are on their way already.
        return Status::abort("the producer's queue is full and the broker takes nothing");
      }
      continue;
    }
    if (const auto reason = refusal_reason(code)) {
      refusals_.push_back({record.origin, record.output, std::string(*reason),
                           refusal_message(output.topic, code, size_of(record.value))});
      return Status::ok();
    }
    if (rd_kafka_fatal_error(client_->get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return fatal_failure("sending");
    }
    rd_kafka_poll(client_->get(), 0);
    if (failed_ > 0) {
      return delivery_failure();
    }
    std::string text = fmt::format("sending to topic {}: {}", output.topic, rd_kafka_err2str(code));
    // The topic has fewer partitions than it had: a new producer asks how many, and says the rest.
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ? Status::recreate("other", std::move(text))
                                                        : Status::abort(std::move(text));
  }
}

// Within our own calls into the client. Once per record.
void KafkaSink::delivered(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acknowledged_;
    return;
  }
  ++failed_;
  const auto index = reinterpret_cast<std::size_t>(message._private);
  if (index >= sent_.size()) {
    return;
  }
  const Sent& sent = sent_[index];
  const auto reason = refusal_reason(message.err);
  if (reason) {
    Refusal& suspect = suspects_.emplace_back();
    suspect.origin = sent.origin;
    suspect.output = sent.output;
    suspect.reason = *reason;
    suspect.message =
        refusal_message(outputs_[sent.output.value()].topic, message.err, message.len);
    // One that isn't ahead may have been refused for its age.
    const bool is_ahead = sent.timestamp.value() > milliseconds_now();
    if (message.err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && one_by_one_ && is_ahead) {
      auto& from = outputs_[sent.output.value()].refused_from;
      from = from ? std::min(*from, sent.timestamp) : sent.timestamp;
    }
  }
  if (first_failure_.empty() || (reason && suspects_.size() == 1)) {
    first_failure_ = fmt::format("writing to topic {}: {}", outputs_[sent.output.value()].topic,
                                 rd_kafka_err2str(message.err));
  }
}

// Some records were not written: what that means for the transaction.
Status KafkaSink::delivery_failure() {
  if (rd_kafka_fatal_error(client_->get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fatal_failure("writing");
  }
  is_spoilt_ = is_spoilt_ || failed_ > 0;
  if (suspects_.size() == 1 || one_by_one_) {
    refusals_.insert(refusals_.end(), suspects_.begin(), suspects_.end());
    suspects_.clear();
  } else if (!suspects_.empty()) {
    wants_one_by_one_ = true;
  }
  if (!refusals_.empty()) {
    return Status::abort(
        fmt::format("{} records were refused: {}", refusals_.size(), refusals_.front().message));
  }
  return Status::abort(suspects_.empty()
                           ? first_failure_
                           : fmt::format("{} (one of {} records; they will be sent one by one)",
                                         first_failure_, suspects_.size()));
}

Status KafkaSink::flush() {
  WEIR_ASSERT(in_transaction_);
  const auto deadline = steady_clock::now() + kSlice;
  // The return value of rd_kafka_flush proves nothing; the reports do. In slices, because after a
  // failed record the rest may never be reported.
  while (acknowledged_ + failed_ < sent_.size() && failed_ == 0) {
    if (steady_clock::now() > deadline) {
      return Status::retry(fmt::format("{} of {} records are not acknowledged yet",
                                       sent_.size() - acknowledged_, sent_.size()));
    }
    rd_kafka_flush(client_->get(), to_ms(kFlushSlice));
    if (rd_kafka_fatal_error(client_->get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return fatal_failure("writing");
    }
  }
  return failed_ > 0 || !refusals_.empty() ? delivery_failure() : Status::ok();
}

Status KafkaSink::send_offsets(std::span<const OffsetToCommit> offsets,
                               std::string_view membership) {
  WEIR_ASSERT(in_transaction_);
  rd_kafka_consumer_group_metadata_t* raw = nullptr;
  const ErrorPtr unreadable(
      rd_kafka_consumer_group_metadata_read(&raw, membership.data(), membership.size()));
  const GroupPtr group(raw);
  if (unreadable) {
    return Status::abort(fmt::format("membership: {}", rd_kafka_error_string(unreadable.get())));
  }
  const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const OffsetToCommit& offset : offsets) {
    add_offset(*list, settings_.inputs[offset.where.input.value()], offset);
  }
  if (rd_kafka_error_t* error = rd_kafka_send_offsets_to_transaction(
          client_->get(), list.get(), group.get(), to_ms(kSendOffsetsWaitMax))) {
    return failure_of_call(error, "adding offsets to the transaction");
  }
  return Status::ok();
}

Status KafkaSink::commit() {
  if (!in_transaction_) {
    return Status::ok();
  }
  const auto now = steady_clock::now();
  commit_began_ = commit_began_.value_or(now);
  rd_kafka_error_t* error = rd_kafka_commit_transaction(client_->get(), to_ms(kSlice));
  if (error == nullptr) {
    for (Output& output : outputs_) {
      output.refused_from.reset();
    }
    // Back to full batches, with a client made for them.
    wants_one_by_one_ = false;
    is_spoilt_ = one_by_one_;
    end_transaction();
    return Status::ok();
  }
  Status failure = failure_of_call(error, "committing");
  if (failure.remedy() == Remedy::abort && failed_ > 0) {
    return delivery_failure();
  }
  if (failure.remedy() == Remedy::retry && now - *commit_began_ > settings_.transaction_age_max) {
    return Status::recreate("timed_out", failure.message());
  }
  return failure;
}

Status KafkaSink::abort() {
  if (!in_transaction_) {
    return Status::ok();
  }
  const auto now = steady_clock::now();
  if (!abort_began_) {
    // An EndTxn may overtake the partitions' registration, and then is refused with a fatal error.
    // A report shows that they are registered.
    while (!sent_.empty() && acknowledged_ + failed_ == 0 && steady_clock::now() < now + kSlice) {
      rd_kafka_flush(client_->get(), to_ms(kFlushSlice));
    }
    abort_began_ = now;
  }
  rd_kafka_error_t* error = rd_kafka_abort_transaction(client_->get(), to_ms(kSlice));
  if (error == nullptr) {
    end_transaction();
    return Status::ok();
  }
  Status failure = failure_of_call(error, "aborting");
  if (failure.remedy() == Remedy::abort) {
    return Status::recreate("other", failure.message());
  }
  if (failure.remedy() == Remedy::retry && now - *abort_began_ > settings_.transaction_age_max) {
    return Status::recreate("timed_out", failure.message());
  }
  return failure;
}

Doubt KafkaSink::doubt() const {
  const Doubt now = client_ ? client_->ledger().doubt() : Doubt::none;
  return std::max({now, cut_off_doubt_, is_spoilt_ ? Doubt::producer : Doubt::none});
}

// ---- errors ----

// Takes over `raw`. In this order: fatal, needs an abort, may be tried again; none of them: as
// fatal.
Status KafkaSink::failure_of_call(rd_kafka_error_t* raw, std::string_view doing) {
  const ErrorPtr error(raw);
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
  const bool is_fenced = code == RD_KAFKA_RESP_ERR__FENCED ||
                         code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
                         code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
  if (rd_kafka_error_is_fatal(error.get()) != 0 || is_fenced) {
    return fatal_failure(doing, code, rd_kafka_error_string(error.get()));
  }
  if (code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
    return Status::stop(ExitCode::config,
                        fmt::format("{}: what is committed with each offset, the outputs' names "
                                    "among it, is more than the brokers' offset.metadata.max.bytes "
                                    "allows: raise that",
                                    doing));
  }
  const std::string trouble = client_->last_trouble();
  std::string text = fmt::format("{} (transactional id {}): {}{}", doing,
                                 settings_.transactional_id, rd_kafka_error_string(error.get()),
                                 trouble.empty() ? "" : fmt::format(" (last: {})", trouble));
  if (rd_kafka_error_txn_requires_abort(error.get()) != 0) {
    is_spoilt_ = is_spoilt_ || failed_ > 0;
    return Status::abort(std::move(text));
  }
  return rd_kafka_error_is_retriable(error.get()) != 0 ? Status::retry(std::move(text))
                                                       : Status::recreate("other", std::move(text));
}

Status KafkaSink::fatal_failure(std::string_view doing) {
  char why[512] = "";
  const rd_kafka_resp_err_t code = rd_kafka_fatal_error(client_->get(), why, sizeof(why));
  return fatal_failure(doing, code, why);
}

// The client can't be used again. Usually a new one can; some things only a person can mend.
Status KafkaSink::fatal_failure(std::string_view doing, int code, std::string_view why) {
  std::string text =
      fmt::format("{} (transactional id {}): {}", doing, settings_.transactional_id, why);
  switch (code) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return Status::stop(ExitCode::unauthorised, std::move(text));
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return Status::stop(ExitCode::config, std::move(text));
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
      if (fences_->note(steady_clock::now())) {
        return Status::stop(
            ExitCode::temporary,
            fmt::format(
                "{}. That is the fourth time within a minute: another live process uses this "
                "transactional id, or transactions take longer than {}. If it is a process: {}",
                text, duration_text(settings_.transaction_age_max),
                way_out_of_fences(settings_.cluster.bootstrap, settings_.group)));
      }
      return Status::recreate("fenced", std::move(text));
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE: {
      // Of two causes the client can't tell apart: an abort that was too quick, or a late copy of a
      // request that ended this transaction half-way.
      const bool was_in_doubt = client_->ledger().doubt() != Doubt::none;
      return was_in_doubt
                 ? Status::recreate("possible_tear", text +
                                                         ": a request of it was sent twice, and "
                                                         "the first copy may have ended it "
                                                         "half-way")
                 : Status::recreate("other", std::move(text));
    }
    default:
      return Status::recreate("other", std::move(text));
  }
}

}  // namespace weir
