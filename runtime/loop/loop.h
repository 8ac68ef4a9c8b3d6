// The heart: one lane's way from records to committed outputs.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "loop/assignment.h"
#include "loop/dead_letter.h"
#include "loop/death_ledger.h"
#include "loop/io.h"
#include "loop/passed_headers.h"
#include "loop/probe.h"
#include "loop/settings.h"
#include "loop/turn.h"
#include "weir/message_pool.h"
#include "weir/stage.h"

namespace weir {

// What a loop works with. Borrowed; all of it outlives the loop and is used on its thread only.
struct LoopParts {
  Source& source;
  Sink& sink;
  Codec& codec;
  Stage& stage;
  SegmentStores& stores;
  DeathLedger& deaths;
  Clock& clock;
  Probe& probe;
};

// Reads, deduplicates, transforms and commits, turn by turn. A turn is one transaction: all that it
// produced becomes visible with its offsets, or none of it.
//
// runtime/README.md lists the invariants that comments name by number. The caller repeats
// advance(), and drains at the end.
class Loop final : public AssignmentListener {
 public:
  Loop(LaneSettings settings, const LoopParts& parts);

  // What is next: to start, one batch (and the commit if the turn is due), or to recover from what
  // the last call failed with. Returns within a few seconds. After Remedy::stop nothing is next;
  // after any other failure call again, after Remedy::retry a little later: the broker didn't
  // answer.
  Status advance();

  // Commits the open turn, if there is one. Afterwards the lane may leave. After Remedy::retry call
  // it again, after another failure advance(): as long as that hasn't recovered from it, a turn is
  // open that can't be committed.
  Status drain();

  // Closes the source; nothing is next. A turn that drain() couldn't commit is committed even now
  // if its broker answers within `revoke_wait_max`. Else the result is why it wasn't.
  Status leave();

  // Every owned partition was read to its end, or to `settings.until`; a drain then commits all of
  // it.
  bool has_reached_end() const;

  // The lane owns partitions and none of them is restoring.
  bool is_ready() const;

 private:
  // A record of the batch and what is known of it so far.
  struct Row {
    const RawRecord* raw = nullptr;
    OwnedPartition* owned = nullptr;
    bool is_restoring = false;  // goes into the index only
    bool is_duplicate = false;
    StreamTime time;
    std::optional<KeyHash> key;
    Status failure;          // ok, or why it is a dead letter
    bool is_deadly = false;  // the process died on it often enough
  };

  Result<std::vector<Position>> assigned(std::span<const InputPartition> partitions) override;
  void revoked(bool lost) override;

  Status start();
  Status run_once();
  Status recover(const Status& failure);
  void admit(Batch& batch);
  Status take(std::span<const RawRecord> records, std::span<Row> rows);
  void judge(Row& row) const;
  Status died(std::string_view what_was_done) const;
  void decode(std::span<const RawRecord> records, std::span<Row> rows);
  Status deduplicate(std::span<Row> rows);
  Status see(OwnedPartition& owned, std::span<Row> rows);
  void transform(std::span<Row> rows);
  Status produce(std::span<Row> rows);
  void add_outputs(const Row& row, std::uint32_t record, std::size_t& emitted);
  void add_dead_letter(const Row& row, std::string_view reason, std::string_view message);
  Status reach_ends(std::span<const Position> ends);
  Status reach(OwnedPartition& owned, NextOffset end);

  Status settle_doubt();
  Status look_at_topics();
  Status begin();
  Status finish_turn();
  Status commit();
  Status send_offsets();
  Status apply_to_state(const Turn& done);
  Status apply_committed();
  Status abort_turn(std::string_view why);
  void forget_turn(std::string_view why);
  Status resume();
  Status remember_refusals();

  const LaneSettings settings_;
  Source& source_;
  Sink& sink_;
  Codec& codec_;
  Stage& stage_;
  DeathLedger& deaths_;
  Clock& clock_;
  Probe& probe_;

  Assignment assignment_;
  Turn turn_;
  std::size_t batch_records_max_;  // of the next batch: fewer for a slow stage
  bool has_started_ = false;
  Status failure_;                    // of the last advance; the next one recovers from it
  bool only_resume_is_left_ = false;  // of that recovery; what went before isn't done again
  bool is_assigned_ = false;          // joined and was told what it owns, perhaps nothing
  std::chrono::steady_clock::time_point last_commit_{};
  std::chrono::steady_clock::time_point topics_checked_{};
  // What a callback could not carry out inside poll.
  Status owed_;
  Status undone_;  // ok, or why a revocation didn't commit its turn, which isn't recovered from yet
  // Records that the broker refused to take the outputs of; dead letters from now on.
  std::map<Origin, Refusal> refused_;

  // Of the batch in work; reused from batch to batch.
  std::vector<Row> rows_;
  std::vector<OwnedPartition*>
      held_back_;  // where records at or after `settings.until` were left unread
  std::vector<Decoded> decoded_;
  std::vector<std::optional<Record>> records_;  // per row; nullopt: not decoded
  std::vector<Record> fresh_;                   // what the stage is given
  std::vector<Sighting> sightings_;
  std::vector<Verdict> verdicts_;
  std::vector<OutRecord> out_records_;
  PassedHeaders passed_headers_;
  MessagePool pool_;
  Out out_;
  DeadLetters dead_letters_;
};

}  // namespace weir
