#include "http/metrics_probe.h"

#include <algorithm>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "http/escape.h"

namespace weir {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using std::chrono::system_clock;

// ---- counts ----

constexpr std::size_t kWordsMax = 32;
constexpr std::size_t kWordBytesMax = 64;
constexpr std::size_t kWordCells = kWordsMax + 1;

// Why a client was made anew; what isn't among them is the last.
constexpr auto kCauses = std::to_array<std::string_view>(
    {"in_doubt", "possible_tear", "fenced", "timed_out", "revoked", "other"});

constexpr std::size_t kCauseCells = kCauses.size();

constexpr std::array kTransactionBounds{0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                        1.0,   2.5,  5.0,   10.0, 30.0, 60.0};
constexpr std::array kStepBounds{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03,
                                 0.1,    0.3,    1.0,   3.0,   10.0};

// A histogram's cells: one per bound, +Inf, then the sum in nanoseconds.
constexpr std::size_t cells_of(std::size_t bounds) {
  return bounds + 2;
}

// Where in a lane's cells each count stands. One flat array, so that adding up lanes is one loop.
enum At : std::size_t {
  consumed,
  emitted,
  outputs,
  duplicates,
  dropped,
  dead_letters,
  redeliveries,
  unknown_fields,
  cleaned_fields,
  output_bytes,
  committed_turns,
  aborted_turns,
  restores,
  dropped_by_reason,  // a cell per word, as of dead letters
  dead_letters_by_reason = dropped_by_reason + kWordCells,
  recreations = dead_letters_by_reason + kWordCells,  // a cell per cause, as of rejoins
  rejoins = recreations + kCauseCells,
  transaction = rejoins + kCauseCells,
  steps = transaction + cells_of(kTransactionBounds.size()),
  at_end = steps + kSteps.size() * cells_of(kStepBounds.size()),
};

using Totals = std::array<std::uint64_t, at_end>;

// Where each of a turn's counts goes.
struct Count {
  std::uint64_t TurnCounts::*member;
  At cell;
};

constexpr auto kCounts = std::to_array<Count>({{&TurnCounts::records_in, consumed},
                                               {&TurnCounts::emitted, emitted},
                                               {&TurnCounts::outputs, outputs},
                                               {&TurnCounts::duplicates, duplicates},
                                               {&TurnCounts::dropped, dropped},
                                               {&TurnCounts::dead_letters, dead_letters},
                                               {&TurnCounts::redeliveries, redeliveries},
                                               {&TurnCounts::unknown_fields, unknown_fields},
                                               {&TurnCounts::cleaned_fields, cleaned_fields},
                                               {&TurnCounts::output_bytes, output_bytes}});
static_assert(sizeof(TurnCounts) == kCounts.size() * sizeof(std::uint64_t), "none is forgotten");

// Written by one thread, read by any.
class Cell {
 public:
  void add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

void observe(std::span<Cell> histogram, std::span<const double> bounds,
             std::chrono::nanoseconds time) {
  const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
  const auto bound =
      std::lower_bound(bounds.begin(), bounds.end(), static_cast<double>(nanoseconds) / 1e9);
  histogram[static_cast<std::size_t>(bound - bounds.begin())].add(1);
  histogram.back().add(nanoseconds);
}

// The values of a label that others choose: the first 32 that come, the rest is "other". Any
// thread, no lock for a word that is known.
class Words {
 public:
  std::size_t index_of(std::string_view text) {
    const std::string word = printable(text.substr(0, kWordBytesMax));
    if (word.empty() || word == other_) {
      return kWordsMax;
    }
    if (const std::size_t i = find(word); i < kWordsMax) {
      return i;
    }
    const std::lock_guard lock(mutex_);
    const std::size_t size = size_.load(std::memory_order_relaxed);
    if (const std::size_t i = find(word); i < kWordsMax || size == kWordsMax) {
      return i;
    }
    words_.at(size) = word;
    size_.store(size + 1, std::memory_order_release);
    return size;
  }

  const std::string& at(std::size_t index) const {
    return index < kWordsMax ? words_.at(index) : other_;
  }

 private:
  std::size_t find(std::string_view word) const {
    const std::size_t size = size_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < size; ++i) {
      if (words_.at(i) == word) {
        return i;
      }
    }
    return kWordsMax;
  }

  const std::string other_ = "other";
  std::mutex mutex_;
  std::atomic<std::size_t> size_{0};
  std::array<std::string, kWordsMax> words_;  // the first size_ never change
};

std::size_t cause_of(std::string_view reason) {
  const auto found = std::find(kCauses.begin(), kCauses.end() - 1, reason);
  return static_cast<std::size_t>(found - kCauses.begin());
}

struct Reasons {
  Words drops;
  Words dead_letters;
};

// ---- partitions ----

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::min();
// Longer than a turn of any stage: its transaction, too, is in its readers' way for a moment.
constexpr std::int64_t kBlockedAfterMs = 60'000;

std::int64_t in_ms(system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

system_clock::time_point at_ms(std::int64_t time) {
  return system_clock::time_point(std::chrono::milliseconds(time));
}

// One assigned partition. Written by the lane, read by any thread; milliseconds of the wall clock.
struct PartitionCells {
  std::atomic<PartitionPhase> phase{PartitionPhase::running};
  std::atomic<std::int64_t> committed{0};
  std::atomic<std::int64_t> end{kUnknown};
  std::atomic<std::int64_t> stream_time{0};
  std::atomic<std::int64_t> assigned_at{0};
  std::atomic<std::int64_t> end_seen_at{0};
  // What of it a read_committed reader may see: it ends where a transaction is open.
  std::atomic<std::int64_t> readable_end{kUnknown};
  // All of that is done, and more lies behind it. 0: isn't so.
  std::atomic<std::int64_t> waits_since{0};
  // All that was in the log at this moment is done. 0: never was so since the assignment.
  std::atomic<std::int64_t> caught_up_at{0};

  void note_caught_up() {
    if (end != kUnknown && committed >= end) {
      caught_up_at = end_seen_at.load();
    }
  }

  void note_wait(std::int64_t now) {
    const bool waits = readable_end != kUnknown && committed >= readable_end && committed < end;
    waits_since = !waits ? 0 : waits_since == 0 ? now : waits_since.load();
  }

  // As the brokers have said since then, too: what a client remembers of them is older.
  std::optional<system_clock::time_point> blocked_since() const {
    const std::int64_t seen_at = end_seen_at;  // first: a wait that ends meanwhile is none
    const std::int64_t since = waits_since;
    return since != 0 && seen_at - since >= kBlockedAfterMs ? std::optional(at_ms(since))
                                                            : std::nullopt;
  }

  // Up to when everything is known to be done: what is unread is younger than the stream time, and
  // came after the log was last read to its end. A stamp ahead of now tells nothing.
  std::int64_t done_until(std::int64_t now) const {
    const std::int64_t stamped = stream_time;
    const std::int64_t done = std::max(stamped <= now ? stamped : 0, caught_up_at.load());
    return done > 0 ? done : assigned_at.load();
  }
};

}  // namespace

struct Metrics::Lane {
  int index = 0;
  std::vector<MetricsProbe::Input> inputs;

  std::array<Cell, at_end> cells;
  std::atomic<std::int64_t> last_commit_ms{0};  // 0: none yet
  std::atomic<bool> is_cut_off{false};

  // What the open turn adds if it commits. The lane's thread only.
  std::array<std::uint64_t, kWordCells> turn_dropped{};
  std::array<std::uint64_t, kWordCells> turn_dead_letters{};

  // Guards what follows where it changes shape. The lane's thread alone changes it, and so reads it
  // without the lock.
  mutable std::mutex mutex;
  std::map<InputPartition, PartitionCells> partitions;
  std::string last_error;
  system_clock::time_point last_error_at;

  PartitionCells* find(InputPartition where) {
    const auto found = partitions.find(where);
    return found == partitions.end() ? nullptr : &found->second;
  }

  void note_error(std::string text, system_clock::time_point now) {
    const std::lock_guard lock(mutex);
    last_error = std::move(text);
    last_error_at = now;
  }

  void forget_partitions() {
    const std::lock_guard lock(mutex);
    partitions.clear();
  }

  LaneStatus status(std::int64_t now) const;
};

struct Metrics::Process {
  explicit Process(Identity identity_in) : identity(std::move(identity_in)) {}

  const Identity identity;
  std::atomic<ProcessState> state{ProcessState::starting};
  std::atomic<std::uint64_t> invariant_violations{0};
  // When a turn was committed that made some. 0: none yet.
  std::atomic<std::int64_t> first_dead_letter_ms{0};
  std::atomic<std::int64_t> last_dead_letter_ms{0};
  Reasons reasons;

  void note_dead_letter(std::int64_t now) {
    last_dead_letter_ms = now;
    std::int64_t none = 0;
    first_dead_letter_ms.compare_exchange_strong(none, now);
  }

  std::mutex mutex;  // guards what follows
  std::list<std::shared_ptr<Lane>> lanes;
  Totals gone{};  // of lanes that are no more
  std::int64_t last_commit_of_gone_ms = 0;

  // `mutex` is held.
  Totals totals() const {
    Totals sum = gone;
    for (const auto& lane : lanes) {
      for (std::size_t i = 0; i < at_end; ++i) {
        sum[i] += lane->cells[i].value();
      }
    }
    return sum;
  }
};

LaneStatus Metrics::Lane::status(std::int64_t now) const {
  LaneStatus status;
  status.index = index;
  status.state = "unassigned";
  const std::lock_guard lock(mutex);
  for (const auto& [where, cells_here] : partitions) {
    const std::size_t input = where.input.value();
    PartitionStatus p;
    p.input = input < inputs.size() ? inputs[input].name : fmt::to_string(input);
    p.topic = input < inputs.size() ? inputs[input].topic : "";
    p.partition = where.partition;
    p.phase = cells_here.phase;
    // The end first: a commit in between makes the lag smaller, never negative below.
    const std::int64_t end = cells_here.end;
    p.committed = NextOffset(cells_here.committed);
    if (end != kUnknown && !is_cut_off) {
      const std::int64_t lag = std::max<std::int64_t>(end - p.committed.value(), 0);
      const std::int64_t behind = std::max<std::int64_t>(now - cells_here.done_until(now), 0);
      p.end = NextOffset(end);
      p.lag_records = lag;
      p.lag_seconds = lag > 0 ? static_cast<double>(behind) / 1e3 : 0.0;
      p.blocked_since = cells_here.blocked_since();
    }
    if (status.state != "restoring") {
      status.state = p.phase == PartitionPhase::restoring ? "restoring" : "running";
    }
    status.partitions.push_back(std::move(p));
  }
  status.last_error = last_error;
  if (!last_error.empty()) {
    status.last_error_at = last_error_at;
  }
  return status;
}

namespace {

// ---- the catalogue ----

// One moment of the process.
struct Scrape {
  const Metrics::Identity& identity;
  const Reasons& reasons;
  ProcessState state = ProcessState::starting;
  std::uint64_t invariant_violations = 0;
  Totals totals{};
  std::int64_t last_commit_ms = 0;
  // By name and number, once each: for a moment two lanes may both believe to own a partition, and
  // Prometheus wants each series once.
  std::map<std::pair<std::string, std::int32_t>, PartitionStatus> partitions{};
};

using Labels = std::vector<ClientMetric::Label>;

// The samples of one family.
class Samples {
 public:
  explicit Samples(const Metrics::Identity& identity)
      : constant_{{"deployment", printable(identity.deployment)},
                  {"version", fmt::to_string(identity.version)}} {}

  void counter(std::uint64_t value, Labels labels = {}) {
    add(std::move(labels)).counter.value = static_cast<double>(value);
  }

  void gauge(double value, Labels labels = {}) { add(std::move(labels)).gauge.value = value; }

  void histogram(std::span<const std::uint64_t> cells, std::span<const double> bounds,
                 Labels labels = {}) {
    ClientMetric::Histogram& h = add(std::move(labels)).histogram;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      h.sample_count += cells[i];
      const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
      h.bucket.push_back({h.sample_count, bound});
    }
    h.sample_sum = static_cast<double>(cells[bounds.size() + 1]) / 1e9;
  }

  // The words that have been met.
  void words(std::span<const std::uint64_t> cells, const Words& words) {
    for (std::size_t i = 0; i < kWordCells; ++i) {
      if (cells[i] > 0) {
        counter(cells[i], {{"reason", words.at(i)}});
      }
    }
  }

  // Also those that never happened.
  void causes(std::span<const std::uint64_t> cells) {
    for (std::size_t i = 0; i < kCauses.size(); ++i) {
      counter(cells[i], {{"reason", std::string(kCauses.at(i))}});
    }
  }

  std::vector<ClientMetric> take() { return std::move(metrics_); }

 private:
  ClientMetric& add(Labels labels) {
    ClientMetric& metric = metrics_.emplace_back();
    metric.label = constant_;
    metric.label.insert(metric.label.end(), std::make_move_iterator(labels.begin()),
                        std::make_move_iterator(labels.end()));
    return metric;
  }

  const Labels constant_;
  std::vector<ClientMetric> metrics_;
};

std::span<const std::uint64_t> cells_at(const Scrape& scrape, std::size_t at, std::size_t count) {
  return std::span(scrape.totals).subspan(at, count);
}

template <std::size_t at>
void count_of(const Scrape& scrape, Samples& out) {
  out.counter(scrape.totals[at]);
}

// A gauge per partition; `value` returns nullopt where there is nothing to say.
template <class Value>
void per_partition(const Scrape& scrape, Samples& out, Value value) {
  for (const auto& [unused, p] : scrape.partitions) {
    if (const std::optional<double> v = value(p)) {
      out.gauge(
          *v, {{"input", printable(p.input)}, {"partition", fmt::to_string(p.partition.value())}});
    }
  }
}

std::string_view step_name(Step step) {
  switch (step) {
    case Step::poll:
      return "poll";
    case Step::decode:
      return "decode";
    case Step::deduplicate:
      return "deduplicate";
    case Step::transform:
      return "transform";
    case Step::produce:
      return "produce";
    case Step::commit:
      return "commit";
  }
  return "unknown";
}

void step_histograms(const Scrape& scrape, Samples& out) {
  constexpr std::size_t kCells = cells_of(kStepBounds.size());
  for (const Step step : kSteps) {
    out.histogram(cells_at(scrape, steps + static_cast<std::size_t>(step) * kCells, kCells),
                  kStepBounds, {{"step", std::string(step_name(step))}});
  }
}

struct Row {
  std::string_view name;
  MetricType type;
  std::string_view labels;  // besides deployment and version
  std::string_view help;
  void (*collect)(const Scrape&, Samples&);
};

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;
constexpr auto kHistogram = MetricType::Histogram;

constexpr auto kCatalogue =
    std::to_array<Row>({
        {"weir_build_info", kGauge, "build",
         "Always 1; its label says which program the process runs.",
         [](const Scrape& s, Samples& out) {
           out.gauge(1, {{"build", printable(s.identity.build)}});
         }},
        {"weir_state", kGauge, "state",
         "1 for the state that the process is in, 0 for the others: starting, waiting, restoring, "
         "running, draining, failed.",
         [](const Scrape& s, Samples& out) {
           for (const ProcessState state : kProcessStates) {
             out.gauge(state == s.state ? 1 : 0, {{"state", std::string(name_of(state))}});
           }
         }},
        {"weir_records_consumed_total", kCounter, "", "Records read, of committed turns.",
         &count_of<consumed>},
        {"weir_records_emitted_total", kCounter, "", "Records that led to outputs.",
         &count_of<emitted>},
        {"weir_outputs_total", kCounter, "", "Records sent, dead letters not counted.",
         &count_of<outputs>},
        {"weir_output_bytes_total", kCounter, "", "Bytes of values sent.", &count_of<output_bytes>},
        {"weir_duplicates_total", kCounter, "",
         "Records left out because one with the same dedup key came before, within the window.",
         &count_of<duplicates>},
        {"weir_redeliveries_total", kCounter, "",
         "Records ignored because the same offset was processed before.", &count_of<redeliveries>},
        {"weir_records_dropped_total", kCounter, "", "Records without an output, on purpose.",
         &count_of<dropped>},
        {"weir_records_dead_lettered_total", kCounter, "",
         "Records set aside with their original bytes.", &count_of<dead_letters>},
        {"weir_drops_total", kCounter, "reason",
         "The dropped records by the stage's reason (at most 32, the rest is \"other\"); none "
         "before its first.",
         [](const Scrape& s, Samples& out) {
           out.words(cells_at(s, dropped_by_reason, kWordCells), s.reasons.drops);
         }},
        {"weir_dead_letters_total", kCounter, "reason",
         "The records set aside by reason (at most 32, the rest is \"other\"); none before its "
         "first.",
         [](const Scrape& s, Samples& out) {
           out.words(cells_at(s, dead_letters_by_reason, kWordCells), s.reasons.dead_letters);
         }},
        {"weir_unknown_fields_total", kCounter, "", "JSON fields that the message doesn't declare.",
         &count_of<unknown_fields>},
        {"weir_cleaned_fields_total", kCounter, "",
         "Fields renamed, defaulted or trimmed by configuration.", &count_of<cleaned_fields>},
        {"weir_transactions_total", kCounter, "outcome", "Turns ended: committed or aborted.",
         [](const Scrape& s, Samples& out) {
           out.counter(s.totals[committed_turns], {{"outcome", "committed"}});
           out.counter(s.totals[aborted_turns], {{"outcome", "aborted"}});
         }},
        {"weir_transaction_duration_seconds", kHistogram, "",
         "Age of a turn when it was committed.",
         [](const Scrape& s, Samples& out) {
           out.histogram(cells_at(s, transaction, cells_of(kTransactionBounds.size())),
                         kTransactionBounds);
         }},
        {"weir_step_duration_seconds", kHistogram, "step",
         "Time of one step: poll, decode, deduplicate, transform, produce, commit.",
         &step_histograms},
        {"weir_producer_recreations_total", kCounter, "reason",
         "Producers made anew: in_doubt (a request had no clean answer, or a record was refused), "
         "possible_tear (a transaction that was in doubt had ended before its end was asked for: "
         "what it wrote may be visible in part), fenced, timed_out, revoked, other.",
         [](const Scrape& s, Samples& out) { out.causes(cells_at(s, recreations, kCauseCells)); }},
        {"weir_consumer_rejoins_total", kCounter, "reason",
         "Consumers made anew, joining the group as new members; reasons as for producers.",
         [](const Scrape& s, Samples& out) { out.causes(cells_at(s, rejoins, kCauseCells)); }},
        {"weir_restores_total", kCounter, "", "Rebuilds of a partition's local state from the log.",
         &count_of<restores>},
        {"weir_invariant_violations_total", kCounter, "",
         "Broken invariants found. Anything above zero is a bug or lost data.",
         [](const Scrape& s, Samples& out) { out.counter(s.invariant_violations); }},
        {"weir_last_commit_timestamp_seconds", kGauge, "",
         "When a turn was last committed; absent before the first.",
         [](const Scrape& s, Samples& out) {
           if (s.last_commit_ms > 0) {
             out.gauge(static_cast<double>(s.last_commit_ms) / 1e3);
           }
         }},
        {"weir_assigned_partitions", kGauge, "", "Partitions that this process owns.",
         [](const Scrape& s, Samples& out) {
           out.gauge(static_cast<double>(s.partitions.size()));
         }},
        {"weir_blocked_partitions", kGauge, "",
         "Those among them that were read as far as can be for a minute and hold more: a "
         "transaction that another producer left open hides it.",
         [](const Scrape& s, Samples& out) {
           out.gauge(static_cast<double>(
               std::count_if(s.partitions.begin(), s.partitions.end(),
                             [](const auto& p) { return p.second.blocked_since.has_value(); })));
         }},
        {"weir_lag_records", kGauge, "input, partition",
         "Offsets between the committed one and the end of the log, as of the lane's last poll; "
         "where much is fetched already, of the last half minute. Markers of transactions count. "
         "Absent after 10 to 30 s of the brokers' silence, as are weir_lag_seconds and "
         "weir_log_end_offset.",
         [](const Scrape& s, Samples& out) {
           per_partition(s, out, [](const PartitionStatus& p) -> std::optional<double> {
             return p.lag_records ? std::optional(static_cast<double>(*p.lag_records))
                                  : std::nullopt;
           });
         }},
        {"weir_lag_seconds", kGauge, "input, partition",
         "How far behind at most: now minus the stream time at the committed offset, or minus the "
         "last moment at which the log was seen to hold nothing unread (when it was read to its "
         "end, and every half minute) if that is later; 0 when caught up. A stamp that is missing, "
         "or ahead of now, tells nothing: then from the assignment on.",
         [](const Scrape& s, Samples& out) {
           per_partition(s, out, [](const PartitionStatus& p) { return p.lag_seconds; });
         }},
        {"weir_committed_offset", kGauge, "input, partition", "The next offset to read.",
         [](const Scrape& s, Samples& out) {
           per_partition(s, out, [](const PartitionStatus& p) {
             return std::optional(static_cast<double>(p.committed.value()));
           });
         }},
        {"weir_log_end_offset", kGauge, "input, partition",
         "The end of the log. Records of open transactions count.",
         [](const Scrape& s, Samples& out) {
           per_partition(s, out, [](const PartitionStatus& p) -> std::optional<double> {
             return p.end ? std::optional(static_cast<double>(p.end->value())) : std::nullopt;
           });
         }},
    });

std::string_view name_of(MetricType type) {
  return type == kCounter ? "counter" : type == kGauge ? "gauge" : "histogram";
}

}  // namespace

// ---- Metrics ----

Metrics::Metrics(Identity identity) : process_(std::make_unique<Process>(std::move(identity))) {}

Metrics::~Metrics() = default;

void Metrics::set_state(ProcessState state) {
  process_->state = state;
}

void Metrics::count_invariant_violation() {
  process_->invariant_violations.fetch_add(1);
}

TurnCounts Metrics::totals() const {
  const std::lock_guard lock(process_->mutex);
  const Totals sum = process_->totals();
  TurnCounts counts;
  for (const Count& count : kCounts) {
    counts.*count.member = sum[count.cell];
  }
  return counts;
}

DeadLetterStatus Metrics::dead_letters() const {
  const std::lock_guard lock(process_->mutex);
  const Totals sum = process_->totals();
  DeadLetterStatus status;
  status.count = sum[At::dead_letters];
  status.records_in = sum[consumed];
  const auto cells = std::span(sum).subspan(dead_letters_by_reason, kWordCells);
  if (const auto most = std::max_element(cells.begin(), cells.end()); *most > 0) {
    status.reason =
        process_->reasons.dead_letters.at(static_cast<std::size_t>(most - cells.begin()));
  }
  if (process_->first_dead_letter_ms > 0) {
    status.first_at = at_ms(process_->first_dead_letter_ms);
    status.last_at = at_ms(process_->last_dead_letter_ms);
  }
  return status;
}

std::vector<LaneStatus> Metrics::lanes() const {
  const std::int64_t now = in_ms(process_->identity.now());
  std::vector<LaneStatus> result;
  const std::lock_guard lock(process_->mutex);
  for (const auto& lane : process_->lanes) {
    result.push_back(lane->status(now));
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return a.index < b.index; });
  return result;
}

Response Metrics::exposition() const {
  Scrape scrape{.identity = process_->identity,
                .reasons = process_->reasons,
                .state = process_->state,
                .invariant_violations = process_->invariant_violations};
  for (LaneStatus& lane : lanes()) {
    for (PartitionStatus& p : lane.partitions) {
      auto key = std::pair(p.input, p.partition.value());
      const auto [it, is_new] = scrape.partitions.try_emplace(std::move(key), p);
      if (!is_new && it->second.committed < p.committed) {
        it->second = std::move(p);
      }
    }
  }
  {
    const std::lock_guard lock(process_->mutex);
    scrape.totals = process_->totals();
    scrape.last_commit_ms = process_->last_commit_of_gone_ms;
    for (const auto& lane : process_->lanes) {
      scrape.last_commit_ms = std::max(scrape.last_commit_ms, lane->last_commit_ms.load());
    }
  }
  std::vector<MetricFamily> families;
  for (const auto& row : kCatalogue) {
    Samples samples(process_->identity);
    row.collect(scrape, samples);
    families.push_back({std::string(row.name), std::string(row.help), row.type, samples.take()});
  }
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = prometheus::TextSerializer().Serialize(families)};
}

// ---- MetricsProbe ----

MetricsProbe::MetricsProbe(Metrics& metrics, int lane, std::vector<Input> inputs)
    : process_(*metrics.process_), lane_(std::make_shared<Metrics::Lane>()) {
  lane_->index = lane;
  lane_->inputs = std::move(inputs);
  const std::lock_guard lock(process_.mutex);
  process_.lanes.push_back(lane_);
}

MetricsProbe::~MetricsProbe() {
  const std::lock_guard lock(process_.mutex);
  for (std::size_t i = 0; i < at_end; ++i) {
    process_.gone[i] += lane_->cells[i].value();
  }
  process_.last_commit_of_gone_ms =
      std::max(process_.last_commit_of_gone_ms, lane_->last_commit_ms.load());
  process_.lanes.remove(lane_);
}

void MetricsProbe::partition_assigned(InputPartition where, PartitionPhase phase,
                                      NextOffset /*from*/, NextOffset committed, StreamTime time) {
  const std::lock_guard lock(lane_->mutex);
  const auto [it, is_new] = lane_->partitions.try_emplace(where);
  PartitionCells& p = it->second;
  p.phase = phase;
  p.committed = committed.value();
  p.stream_time = time.value();
  // Again without a revocation, after a recovery: what is known of the log still holds, and a lane
  // that recovers over and over must not look as if it had just begun.
  if (is_new) {
    p.assigned_at = in_ms(process_.identity.now());
  }
}

void MetricsProbe::partition_restored(InputPartition where, NextOffset committed) {
  if (PartitionCells* p = lane_->find(where)) {
    p->phase = PartitionPhase::running;
    p->committed = committed.value();
    p->note_caught_up();
  }
}

void MetricsProbe::partitions_revoked(bool /*lost*/) {
  lane_->forget_partitions();
}

void MetricsProbe::step_took(Step step, std::chrono::nanoseconds time) {
  constexpr std::size_t kCells = cells_of(kStepBounds.size());
  observe(std::span(lane_->cells).subspan(steps + static_cast<std::size_t>(step) * kCells, kCells),
          kStepBounds, time);
}

void MetricsProbe::record_dead_lettered(const Origin& /*origin*/, std::string_view reason,
                                        std::string_view /*message*/) {
  ++lane_->turn_dead_letters.at(process_.reasons.dead_letters.index_of(reason));
}

void MetricsProbe::record_dropped(std::string_view reason) {
  ++lane_->turn_dropped.at(process_.reasons.drops.index_of(reason));
}

void MetricsProbe::turn_committed(const TurnCounts& counts, std::chrono::nanoseconds age) {
  auto& cells = lane_->cells;
  for (const Count& count : kCounts) {
    cells[count.cell].add(counts.*count.member);
  }
  cells[committed_turns].add(1);
  for (std::size_t i = 0; i < kWordCells; ++i) {
    cells[dropped_by_reason + i].add(lane_->turn_dropped[i]);
    cells[dead_letters_by_reason + i].add(lane_->turn_dead_letters[i]);
  }
  lane_->turn_dropped.fill(0);
  lane_->turn_dead_letters.fill(0);
  observe(std::span(cells).subspan(transaction, cells_of(kTransactionBounds.size())),
          kTransactionBounds, age);
  const std::int64_t now = in_ms(process_.identity.now());
  if (counts.dead_letters > 0) {
    process_.note_dead_letter(now);
  }
  lane_->last_commit_ms = now;
}

// The records of an aborted turn come again, and with them what is thrown away here.
void MetricsProbe::turn_aborted(std::string_view why) {
  lane_->turn_dropped.fill(0);
  lane_->turn_dead_letters.fill(0);
  lane_->cells[aborted_turns].add(1);
  lane_->note_error(fmt::format("turn aborted: {}", why), process_.identity.now());
}

void MetricsProbe::offset_committed(InputPartition where, NextOffset committed, StreamTime time) {
  if (PartitionCells* p = lane_->find(where)) {
    p->committed = committed.value();
    p->stream_time = time.value();
    p->waits_since = 0;
    p->note_wait(in_ms(process_.identity.now()));
    p->note_caught_up();
  }
}

void MetricsProbe::end_seen(InputPartition where, NextOffset end) {
  if (PartitionCells* p = lane_->find(where)) {
    p->end = std::max(p->end.load(), end.value());  // what a client knows of it may be old
    const std::int64_t now = in_ms(process_.identity.now());
    p->readable_end = std::max(p->readable_end.load(), end.value());
    p->note_wait(now);
    p->end_seen_at = now;  // last, for blocked_since()
    p->note_caught_up();
  }
}

void MetricsProbe::end_remembered(InputPartition where, NextOffset end) {
  if (PartitionCells* p = lane_->find(where)) {
    p->end = std::max(p->end.load(), end.value());
    p->note_wait(in_ms(process_.identity.now()));
  }
}

void MetricsProbe::producer_recreated(std::string_view reason, std::string_view why) {
  lane_->cells[recreations + cause_of(reason)].add(1);
  lane_->note_error(fmt::format("producer made anew: {}", why), process_.identity.now());
}

// A new member owns nothing, and isn't told so by a revocation.
void MetricsProbe::consumer_rejoined(std::string_view reason, std::string_view why) {
  lane_->cells[rejoins + cause_of(reason)].add(1);
  lane_->note_error(fmt::format("consumer joined again: {}", why), process_.identity.now());
  lane_->forget_partitions();
}

void MetricsProbe::state_wiped(InputPartition /*where*/, std::string_view /*why*/) {
  lane_->cells[restores].add(1);
}

std::vector<PartitionStatus> MetricsProbe::partitions() const {
  return lane_->status(in_ms(process_.identity.now())).partitions;
}

std::optional<system_clock::time_point> MetricsProbe::blocked_since(InputPartition where) const {
  const PartitionCells* p = lane_->find(where);
  return p ? p->blocked_since() : std::nullopt;
}

bool MetricsProbe::has_partitions() const {
  return !lane_->partitions.empty();
}

void MetricsProbe::set_cut_off(bool is_cut_off) {
  lane_->is_cut_off = is_cut_off;
}

// ---- the reference ----

namespace {

// `increase` sees nothing of a series that begins with its first count, hence no labels by reason.
constexpr std::string_view kAlerts = R"(
## What to alert on

Fix the port, or every start has another: `http: {listen: "0.0.0.0:9464"}`. Then, as rules of
Prometheus for a scrape job named `weir`:

```yaml
groups:
  - name: weir
    rules:
      - alert: WeirIsDown  # since when and why: `weir status` on its host, or its log's last line
        expr: up{job="weir"} == 0
        for: 2m
      - alert: WeirIsNotReady  # its /-/ready says why
        expr: weir_state{state="running"} == 0
        for: 10m
      - alert: WeirStandsStill  # records wait and none is done: `weir status` says why
        expr: >
          sum without (input, partition) (weir_lag_records) > 0
          and ignoring (outcome) increase(weir_transactions_total{outcome="committed"}[5m]) == 0
        for: 2m
      - alert: WeirIsBlocked  # another producer's open transaction: `weir status` has the command
        expr: weir_blocked_partitions > 0
        for: 5m
      - alert: WeirIsBehind  # more load than it can do: `lanes:`, or more instances
        expr: max by (deployment, version) (weir_lag_seconds) > 300
        for: 10m
      - alert: WeirSetsRecordsAside  # `weir tap <deployment>.dead_letters` shows them and why
        expr: sum by (deployment, version) (increase(weir_records_dead_lettered_total[10m])) > 0
```
)";

}  // namespace

std::string metrics_reference() {
  std::string text =
      "# Metrics\n\n"
      "Served at `/metrics`. Every series has the labels `deployment` and `version` (the "
      "deployment's, as in its topics).\nCounts are of committed turns: what is aborted and done "
      "again counts once. A partition's series end when it is\nrevoked.\n\n"
      "| Metric | Type | Further labels | Meaning |\n|---|---|---|---|\n";
  for (const auto& row : kCatalogue) {
    text +=
        fmt::format("| `{}` | {} | {} | {} |\n", row.name, name_of(row.type), row.labels, row.help);
  }
  text += kAlerts;
  return text;
}

}  // namespace weir
