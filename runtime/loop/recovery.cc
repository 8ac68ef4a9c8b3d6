// What a lane does when something failed, and when the group decides: the other half of Loop.

#include "loop/loop.h"
#include "text/quantity.h"
#include "weir/headers.h"
#include "weir/test_points.h"

namespace weir {

namespace {
constexpr auto kInDoubt = "in_doubt";
constexpr auto kInDoubtWhy =
    "in doubt: a request of the last transaction had no clean answer, or a record was refused";

std::string way_out_of(const Refusal& refused_dead_letter) {
  const std::string& reason = refused_dead_letter.reason;
  return reason == Refusal::kTooLarge
             ? "Raise the limits of the dead letters' topic, for a large value its "
               "max.message.bytes to that value's and " +
                   size_text(kDeadLetterHeaderBytesMax)
         : reason == Refusal::kTimestamp
             ? "A dead letter carries the stream time: set message.timestamp.type=LogAppendTime of "
               "the dead letters' topic, or widen its message.timestamp.after.max.ms or "
               "message.timestamp.before.max.ms"
             : "Have the dead letters' topic take any record: it must not be compacted, for one";
}
}  // namespace

Status Loop::recover(const Status& failure) {
  switch (failure.remedy()) {
    case Remedy::stop:
      return failure;
    case Remedy::abort:
      WEIR_TRY(remember_refusals());
      WEIR_TRY(abort_turn(failure.message()));
      return source_.seek(is_mutant("no_rewind") ? std::vector<Position>() : assignment_.rewind());
    case Remedy::recreate: {
      if (only_resume_is_left_) {
        return resume();
      }
      const bool consumer_too = sink_.doubt() == Doubt::producer_and_consumer;
      WEIR_TRY(sink_.recreate());
      probe_.producer_recreated(failure.reason(), failure.message());
      forget_turn(failure.message());
      if (consumer_too) {
        return Status::rejoin(kInDoubt, kInDoubtWhy);
      }
      only_resume_is_left_ = true;
      return is_mutant("unknown_outcome_taken_for_aborted") ? source_.seek(assignment_.rewind())
                                                            : resume();
    }
    case Remedy::rejoin:
      WEIR_TRY(abort_turn(failure.message()));
      assignment_.clear();
      is_assigned_ = false;
      WEIR_TRY(source_.rejoin());
      probe_.consumer_rejoined(failure.reason(), failure.message());
      return Status::ok();
    case Remedy::restore:
      if (!only_resume_is_left_) {
        WEIR_TRY(abort_turn(failure.message()));
        WEIR_TRY(assignment_.wipe_damaged(failure.message()));
        only_resume_is_left_ = true;
      }
      return resume();
    case Remedy::retry:
    case Remedy::dead_letter:
      break;
  }
  WEIR_ASSERT(false);  // advance() keeps no retry, and a dead letter never leaves the turn
}

// The committed offsets are asked from the broker, because the outcome of the last commit may be
// unknown here: what it committed and the index lacks is restored.
Status Loop::resume() {
  WEIR_TRY_ASSIGN(const std::vector<Position> positions, assignment_.take_again());
  return source_.seek(positions);
}

// The resend defence: a request of the last transaction went out without a clean answer, and a late
// copy of it could end the next transaction half-way or set its offsets back. A new producer fences
// the copies; those of offsets also need a new group member.
Status Loop::settle_doubt() {
  if (turn_.has_begun || sink_.doubt() == Doubt::none || is_mutant("no_resend_defence")) {
    return Status::ok();
  }
  const bool consumer_too =
      sink_.doubt() == Doubt::producer_and_consumer && !is_mutant("no_rejoin_in_doubt");
  WEIR_TRY(sink_.recreate());
  probe_.producer_recreated(kInDoubt, kInDoubtWhy);
  return consumer_too ? Status::rejoin(kInDoubt, kInDoubtWhy) : Status::ok();
}

Status Loop::look_at_topics() {
  if (clock_.now() - topics_checked_ < settings_.limits.topics_checked_every) {
    return Status::ok();
  }
  topics_checked_ = clock_.now();
  WEIR_TRY(assignment_.check_unchanged());
  assignment_.ask_ends();
  return Status::ok();
}

// Safe to repeat: a transaction that is aborted already isn't aborted twice.
Status Loop::abort_turn(std::string_view why) {
  if (turn_.has_begun) {
    WEIR_TRY(sink_.abort());
  }
  forget_turn(why);
  return Status::ok();
}

void Loop::forget_turn(std::string_view why) {
  if (!turn_.is_empty()) {
    probe_.turn_aborted(why);
  }
  turn_ = Turn();
}

Status Loop::remember_refusals() {
  for (const Refusal& refusal : sink_.refusals()) {
    if (refusal.output == settings_.dead_letters()) {
      return Status::stop(ExitCode::config,
                          "the broker refuses a dead letter of " +
                              settings_.inputs[refusal.origin.where.input.value()].topic +
                              " partition " +
                              std::to_string(refusal.origin.where.partition.value()) + " offset " +
                              std::to_string(refusal.origin.offset.value()) + ": " +
                              refusal.message + ". " + way_out_of(refusal));
    }
    refused_.emplace(refusal.origin, refusal);
  }
  return Status::ok();
}

// What the process died on often enough is set aside; unread, unless it is known to be safe to
// decode. Of a record that runs alone.
void Loop::judge(Row& row) const {
  const Origin origin{row.raw->where, row.raw->offset};
  row.is_deadly = deaths_.deaths(origin) >= settings_.limits.deaths_max;
  if (row.is_deadly && !deaths_.died_in_process_only(origin)) {
    row.failure = died("; it was set aside unread");
  }
}

Status Loop::died(std::string_view what_was_done) const {
  return Status::dead_letter("process_died",
                             "the process died " + std::to_string(settings_.limits.deaths_max) +
                                 " times on this record" + std::string(what_was_done));
}

Result<std::vector<Position>> Loop::assigned(std::span<const InputPartition> partitions) {
  WEIR_ASSERT(turn_.is_empty());
  Result<std::vector<Position>> positions = assignment_.take(partitions);
  is_assigned_ = positions.is_ok();
  topics_checked_ = clock_.now();  // take asked them
  return positions;
}

// Within this call the partitions are still ours, unless they are lost: finish the turn, or abort
// it.
void Loop::revoked(bool lost) {
  const auto deadline = clock_.now() + settings_.limits.revoke_wait_max;
  const auto in_time = [&](const auto& action) {
    Status done = action();
    while (!done.is_ok() && done.remedy() == Remedy::retry && clock_.now() < deadline) {
      probe_.brokers_asked();
      done = action();
    }
    return done;
  };
  const bool had_turn = !turn_.is_empty();
  // A turn that has failed already is not sound: its producer may be gone.
  Status done = lost                ? Status::abort("partitions lost")
                : !failure_.is_ok() ? Status::abort(failure_.message())
                                    : in_time([this] { return finish_turn(); });
  if (had_turn) {
    undone_ = turn_.is_empty() ? Status::ok() : done;
  }
  if (!done.is_ok() && done.remedy() == Remedy::abort) {
    done = in_time([this] { return abort_turn("partitions revoked"); });
  }
  if (!done.is_ok()) {
    owed_ = done.remedy() == Remedy::retry
                ? Status::recreate("revoked",
                                   "the turn could not be ended before its partitions were revoked")
                : done;
  }
  forget_turn("partitions revoked");
  assignment_.clear();
  is_assigned_ = false;
  probe_.partitions_revoked(lost);
}

}  // namespace weir
