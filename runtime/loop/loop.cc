#include "loop/loop.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "loop/record_key.h"
#include "weir/test_points.h"

namespace weir {

namespace {

// Does `body` and tells the probe how long it took.
template <class Body>
auto timed(Probe& probe, Step step, Body&& body) {
  const Stopwatch stopwatch(probe, step);
  return body();
}

}  // namespace

Loop::Loop(LaneSettings settings, const LoopParts& parts)
    : settings_(std::move(settings)),
      source_(parts.source),
      sink_(parts.sink),
      codec_(parts.codec),
      stage_(parts.stage),
      deaths_(parts.deaths),
      clock_(parts.clock),
      probe_(parts.probe),
      assignment_(settings_, parts.source, parts.sink, parts.stores, parts.probe),
      batch_records_max_(settings_.limits.batch_records_max),
      out_(settings_.outputs),
      dead_letters_(settings_) {}

Status Loop::advance() {
  Status done = !failure_.is_ok() ? recover(failure_) : has_started_ ? run_once() : start();
  if (done.is_ok() || done.remedy() != Remedy::retry) {
    failure_ = done;
    only_resume_is_left_ = false;
  }
  if (done.is_ok()) {
    undone_ = Status::ok();  // recovered from, if there was any
  }
  return done;
}

// Fences earlier lives, founds the group if it is new, joins it. In this order: a dead process's
// open transaction ends now, not at its timeout.
Status Loop::start() {
  WEIR_TRY(sink_.open());
  WEIR_TRY(assignment_.found_group());
  WEIR_TRY(source_.open(*this));
  has_started_ = true;
  return Status::ok();
}

// One batch of a turn, in six steps: 1 poll, 2 decode, 3 deduplicate, 4 transform, 5 produce; and
// when the turn is due, 6 commit. Everything a turn does becomes visible together at step 6.
Status Loop::run_once() {
  if (turn_.phase != Turn::Phase::gathering) {
    return commit();  // its broker didn't answer in time
  }
  WEIR_TRY(settle_doubt());
  WEIR_TRY(look_at_topics());

  Result<Batch> polled = timed(probe_, Step::poll, [&] {
    return source_.poll(turn_.wait_max(settings_.limits, clock_.now()), batch_records_max_);
  });
  // A revocation inside poll could not end its turn. Before a poll that found no answer is
  // repeated: it may be that turn's transaction which the broker waits for.
  if (!owed_.is_ok() && (polled.is_ok() || polled.status().remedy() == Remedy::retry)) {
    return std::exchange(owed_, Status::ok());
  }
  if (!polled.is_ok()) {
    return polled.status();
  }
  Batch batch = std::move(polled).value();
  assignment_.tell_ends(batch.ends);
  test_point("after_poll");
  admit(batch);
  const auto began = clock_.now();
  Status done = Status::ok();
  // After the process died on one of these records, each runs alone, so that the next death names
  // it.
  const std::size_t piece = deaths_.has_suspect_among(batch.records) ? 1 : rows_.size();
  for (std::size_t at = 0; done.is_ok() && at < rows_.size(); at += piece) {
    done = take(std::span(batch.records).subspan(at, piece), std::span(rows_).subspan(at, piece));
  }
  batch_records_max_ =
      next_batch_max(settings_.limits, batch_records_max_, rows_.size(), clock_.now() - began);
  if (done.is_ok()) {
    done = reach_ends(batch.ends);
  }
  if (!done.is_ok()) {
    // The batch is gone with this call: trying again means reading it again.
    return done.remedy() == Remedy::retry ? Status::abort(done.message()) : done;
  }

  if (turn_.is_due(settings_.limits, clock_.now(), last_commit_)) {
    return commit();
  }
  return Status::ok();
}

// Steps 2 to 5.
Status Loop::take(std::span<const RawRecord> records, std::span<Row> rows) {
  if (rows.size() == 1) {
    judge(rows[0]);
  }
  deaths_.begin(records);
  timed(probe_, Step::decode, [&] { decode(records, rows); });
  const Status seen = timed(probe_, Step::deduplicate, [&] { return deduplicate(rows); });
  deaths_.reach_process();
  if (seen.is_ok()) {
    timed(probe_, Step::transform, [&] { transform(rows); });
  }
  deaths_.end();
  WEIR_TRY(seen);
  test_point("before_produce");
  return timed(probe_, Step::produce, [&] { return produce(rows); });
}

// ---- 1 poll ----

// Makes a row of each record that stays: redeliveries (invariant 4), what came for a partition that
// is not owned any more, and what lies past `settings.until` go.
void Loop::admit(Batch& batch) {
  OwnedPartition* owned = nullptr;
  std::size_t kept = 0;
  rows_.clear();
  held_back_.clear();
  for (RawRecord& record : batch.records) {
    if (owned == nullptr || owned->where != record.where) {
      owned = assignment_.find(record.where);
    }
    if (owned == nullptr ||
        (is_below(record.offset, owned->expected) && !is_mutant("no_redelivery_guard"))) {
      ++turn_.counts.redeliveries;
      continue;
    }
    if (owned->until && !is_below(record.offset, *owned->until)) {
      if (held_back_.empty() || held_back_.back() != owned) {
        held_back_.push_back(owned);
      }
      continue;
    }
    owned->expected = next(record.offset);
    batch.records[kept++] = record;
    Row& row = rows_.emplace_back();
    row.owned = owned;
    row.is_restoring =
        owned->phase == PartitionPhase::restoring && is_below(record.offset, owned->committed);
    if (!row.is_restoring && !turn_.began) {
      turn_.began = clock_.now();
    }
  }
  batch.records.resize(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    rows_[i].raw = &batch.records[i];
  }
}

// ---- 2 decode ----

void Loop::decode(std::span<const RawRecord> records, std::span<Row> rows) {
  decoded_.resize(records.size());
  records_.assign(records.size(), std::nullopt);
  pool_.reset();
  if (!rows[0].failure.is_ok()) {
    return;  // alone, and set aside unread
  }
  const DecodeCounts counts = codec_.decode(records, decoded_);
  turn_.counts.unknown_fields += counts.unknown_fields;
  turn_.counts.cleaned_fields += counts.cleaned_fields;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i];
    row.failure = decoded_[i].status;
    if (!row.failure.is_ok()) {
      continue;
    }
    const InputSettings& input = settings_.inputs[row.raw->where.input.value()];
    Record::Parts parts;
    parts.input = input.name;
    parts.partition = row.raw->where.partition;
    parts.timestamp = row.raw->timestamp;
    parts.key = row.raw->key;
    parts.headers = row.raw->headers;
    parts.wire = decoded_[i].wire;
    parts.declared_key = decoded_[i].declared_key;
    parts.descriptor = input.descriptor;
    parts.pool = &pool_;
    records_[i].emplace(parts);
  }
}

// ---- 3 deduplicate ----

Status Loop::deduplicate(std::span<Row> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const InputSettings& input = settings_.inputs[rows[i].raw->where.input.value()];
    if (!input.dedup || !records_[i]) {
      continue;
    }
    Result<std::optional<KeyHash>> key = key_of(stage_, input, *records_[i]);
    if (key.is_ok()) {
      rows[i].key = key.value();
    } else {
      rows[i].failure = key.status();
    }
  }
  // Runs of one partition: its records keep their order, and the index is asked in batches.
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin + 1;
    while (end < rows.size() && rows[end].owned == rows[begin].owned &&
           rows[end].is_restoring == rows[begin].is_restoring) {
      ++end;
    }
    WEIR_TRY(see(*rows[begin].owned, rows.subspan(begin, end - begin)));
    begin = end;
  }
  return Status::ok();
}

// Moves the partition's clock over the rows and asks its index which are duplicates.
Status Loop::see(OwnedPartition& owned, std::span<Row> rows) {
  const bool restoring = rows[0].is_restoring;
  if (owned.phase == PartitionPhase::restoring && !restoring) {
    WEIR_TRY(assignment_.finish_restoring(owned));
  }
  sightings_.clear();
  for (Row& row : rows) {
    row.time = owned.clock.observe(row.raw->timestamp);
    sightings_.push_back({row.raw->offset, row.time, row.key});
  }
  if (!owned.index) {
    return Status::ok();
  }
  verdicts_.assign(rows.size(), Verdict::fresh);
  WEIR_TRY(owned.index->see(sightings_, verdicts_));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].is_duplicate = verdicts_[i] == Verdict::duplicate;
  }
  if (restoring) {
    WEIR_TRY(owned.index->commit(next(rows.back().raw->offset), owned.clock.now()));
    owned.clock.commit();
  }
  return Status::ok();
}

// ---- 4 transform ----

void Loop::transform(std::span<Row> rows) {
  fresh_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i];
    if (row.is_restoring || row.is_duplicate || !row.failure.is_ok()) {
      continue;
    }
    if (row.is_deadly) {
      row.failure = died("; it was set aside");
      continue;
    }
    if (!refused_.empty()) {
      const auto refusal = refused_.find({row.raw->where, row.raw->offset});
      if (refusal != refused_.end()) {
        row.failure = Status::dead_letter(refusal->second.reason, refusal->second.message);
        continue;
      }
    }
    fresh_.push_back(records_[i]->at(static_cast<std::uint32_t>(fresh_.size())));
  }
  out_.reset(fresh_.size());
  if (fresh_.empty()) {
    return;
  }
  try {
    stage_.process_batch(fresh_, out_);
  } catch (...) {
    // `process` is pure: once more, record by record, to find whose fault it was.
    out_.reset(fresh_.size());
    stage_.Stage::process_batch(fresh_, out_);
  }
}

// ---- 5 produce ----

Status Loop::produce(std::span<Row> rows) {
  out_records_.clear();
  passed_headers_.clear();
  dead_letters_.clear();
  out_.sort_by_record();
  std::uint32_t record = 0;
  std::size_t emitted = 0;
  for (const Row& row : rows) {
    if (row.is_restoring) {
      continue;
    }
    ++turn_.counts.records_in;
    turn_.next_offsets[row.raw->where] = next(row.raw->offset);
    if (row.is_duplicate) {
      ++turn_.counts.duplicates;
    } else if (row.failure.is_ok()) {
      add_outputs(row, record++, emitted);
    } else {
      add_dead_letter(row, row.failure.reason(), row.failure.message());
    }
  }
  if (out_records_.empty()) {
    return Status::ok();
  }
  WEIR_TRY(begin());
  test_point("after_begin");
  WEIR_TRY(sink_.send(out_records_));
  test_point("after_produce");
  return Status::ok();
}

// Turns the outcome of the `record`-th fresh record into outputs; `emitted` walks over Out's.
void Loop::add_outputs(const Row& row, std::uint32_t record, std::size_t& emitted) {
  const Out::Outcome& outcome = out_.outcome(record);
  const auto first = out_records_.size();
  std::optional<Refusal> refusal;
  std::size_t bytes = 0;
  for (; emitted < out_.emitted().size() && out_.emitted()[emitted].record == record; ++emitted) {
    if (outcome.fate != Out::Fate::emitted || refusal) {
      continue;
    }
    const Out::Emitted& e = out_.emitted()[emitted];
    OutRecord& out = out_records_.emplace_back();
    out.output = OutputIndex(e.output);
    out.partition = e.rekeyed ? kPartitionByKey : row.raw->where.partition;
    out.timestamp = derived_timestamp(row.time);
    out.key = e.rekeyed ? out_.key(e) : row.raw->key;
    out.value = out_.value(e);
    out.headers = passed_headers_.of(*row.raw);
    out.origin = {row.raw->where, row.raw->offset};
    bytes += e.value_bytes;
    refusal = sink_.foresee_refusal(out);
  }
  if (refusal) {  // all of a record's outputs, or none
    out_records_.resize(first);
    return add_dead_letter(row, refusal->reason, refusal->message);
  }
  switch (outcome.fate) {
    case Out::Fate::emitted:
      ++turn_.counts.emitted;
      turn_.counts.outputs += out_records_.size() - first;
      turn_.counts.output_bytes += bytes;
      break;
    case Out::Fate::dropped:
      ++turn_.counts.dropped;
      probe_.record_dropped(outcome.reason);
      break;
    case Out::Fate::dead_lettered:
      add_dead_letter(row, outcome.reason, outcome.message);
      break;
    case Out::Fate::untouched:
      add_dead_letter(row, "no_outcome",
                      "the stage neither emitted nor dropped this record; a record without output "
                      "needs out.drop(reason)");
      break;
  }
}

void Loop::add_dead_letter(const Row& row, std::string_view reason, std::string_view message) {
  ++turn_.counts.dead_letters;
  out_records_.push_back(dead_letters_.make(*row.raw, row.time, reason, message));
  turn_.counts.output_bytes += row.raw->value.value_or("").size();
  probe_.record_dead_lettered({row.raw->where, row.raw->offset}, reason, message);
}

Status Loop::begin() {
  if (!turn_.has_begun) {
    WEIR_TRY(settle_doubt());  // of a turn that a revocation inside this poll ended
    WEIR_TRY(sink_.begin());
    turn_.has_begun = true;
  }
  return Status::ok();
}

// The position at the end lies past control records: it is committed, too, or lag never reaches 0.
Status Loop::reach_ends(std::span<const Position> ends) {
  for (const Position& end : ends) {
    if (OwnedPartition* owned = assignment_.find(end.where)) {
      WEIR_TRY(reach(*owned, end.next));
    }
  }
  for (OwnedPartition* owned : held_back_) {
    WEIR_TRY(reach(*owned, *owned->until));
  }
  return Status::ok();
}

Status Loop::reach(OwnedPartition& owned, NextOffset end) {
  owned.expected = std::max(owned.expected, owned.until ? std::min(end, *owned.until) : end);
  if (owned.phase == PartitionPhase::restoring && owned.expected >= owned.committed) {
    WEIR_TRY(assignment_.finish_restoring(owned));
  }
  owned.has_reached_end = owned.phase == PartitionPhase::running;
  if (owned.has_reached_end && (owned.expected > owned.committed || owned.is_foreign)) {
    turn_.next_offsets[owned.where] = owned.expected;
  }
  return Status::ok();
}

// ---- 6 commit ----

// Kafka first, local state after it (invariant 1): the index may lag the log, never lead it.
Status Loop::commit() {
  return timed(probe_, Step::commit, [&] {
    using enum Turn::Phase;
    if (turn_.phase == gathering) {
      WEIR_TRY(begin());
      turn_.phase = flushing;
    }
    if (turn_.phase == flushing) {
      WEIR_TRY(sink_.flush());
      turn_.phase = sending_offsets;
      test_point("after_flush");
    }
    if (turn_.phase == sending_offsets) {
      WEIR_TRY(send_offsets());
      turn_.phase = committing;
      test_point("after_send_offsets");
    }
    if (is_mutant("state_before_commit")) {
      WEIR_TRY(apply_to_state(turn_));
    }
    test_point("before_commit");
    WEIR_TRY(sink_.commit());
    test_point("after_commit");
    return apply_committed();
  });
}

Status Loop::send_offsets() {
  std::vector<OffsetToCommit> offsets;
  for (const auto& [where, next] : turn_.next_offsets) {
    const OwnedPartition* owned = assignment_.find(where);
    WEIR_ASSERT(owned != nullptr && owned->phase == PartitionPhase::running);
    WEIR_ASSERT(owned->expected == next);
    offsets.push_back({where, next, assignment_.metadata(*owned, next).print()});
  }
  WEIR_TRY_ASSIGN(const std::string membership, source_.membership());
  return sink_.send_offsets(offsets, membership);
}

Status Loop::apply_committed() {
  const auto now = clock_.now();
  const Turn done = std::exchange(turn_, Turn());
  last_commit_ = now;
  probe_.turn_committed(done.counts, now - done.began.value_or(now));
  for (const auto& [where, next] : done.next_offsets) {
    OwnedPartition& owned = *assignment_.find(where);
    owned.commit(next);
    probe_.offset_committed(where, next, owned.clock.now());
    deaths_.forget_below(where, next);
    // clang 14 can't capture structured bindings.
    std::erase_if(refused_, [&where = where, &next = next](const auto& refusal) {
      return refusal.first.where == where && is_below(refusal.first.offset, next);
    });
  }
  return apply_to_state(done);
}

Status Loop::apply_to_state(const Turn& done) {
  for (const auto& [where, next] : done.next_offsets) {
    OwnedPartition& owned = *assignment_.find(where);
    if (owned.index) {
      WEIR_TRY(owned.index->commit(next, owned.clock.now()));
    }
    test_point("between_state_commits");
  }
  return Status::ok();
}

Status Loop::drain() {
  if (!failure_.is_ok()) {
    return turn_.is_empty() ? Status::ok() : failure_;
  }
  Status done = finish_turn();
  if (!done.is_ok() && done.remedy() != Remedy::retry) {
    failure_ = done;
  }
  return done;
}

Status Loop::leave() {
  if (!turn_.is_empty()) {
    undone_ = Status::abort("the group has moved on");
  }
  source_.close();
  return undone_;
}

Status Loop::finish_turn() {
  return turn_.is_empty() ? Status::ok() : commit();
}

bool Loop::has_reached_end() const {
  return is_assigned_ && assignment_.has_reached_end();
}

bool Loop::is_ready() const {
  return is_assigned_ && assignment_.is_running();
}

}  // namespace weir
