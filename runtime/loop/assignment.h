// The partitions that a lane owns, and how far it is in each.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dedup/seen_index.h"
#include "dedup/stream_time.h"
#include "loop/commit_metadata.h"
#include "loop/io.h"
#include "loop/probe.h"
#include "loop/settings.h"

namespace weir {

// One owned partition:
//
//   (assigned) ──> restoring ──> running ──> (revoked)
//        └────────────────────────^
//
// restoring: the index is behind the committed offset; records below it go into the index only.
// A partition that is restoring is never in an offset list.
struct OwnedPartition {
  InputPartition where;
  PartitionPhase phase = PartitionPhase::running;
  NextOffset committed;              // C
  bool is_foreign = false;           // C was set by somebody else; it is committed again as ours
  NextOffset expected;               // records below are redeliveries
  StreamClock clock;                 // T
  StreamTime committed_time;         // T(C) as committed with C; checked when restoring ends
  std::unique_ptr<SeenIndex> index;  // nullptr: dedup is off
  bool has_reached_end = false;      // since it was placed or rewound
  std::optional<NextOffset> until;   // never below `committed`; records from here on stay unread

  void commit(NextOffset next) {
    committed = next;
    is_foreign = false;
    clock.commit();
  }
};

class Assignment {
 public:
  Assignment(const LaneSettings& settings, Source& source, Sink& sink, SegmentStores& stores,
             Probe& probe)
      : settings_(settings),
        source_(source),
        sink_(sink),
        stores_(stores),
        probe_(probe),
        left_at_(settings.left_at ? settings.left_at : std::make_shared<OffsetsLeft>()) {}

  // Commits where the group begins, if it never committed anything. After that a missing offset is
  // never taken for a new group, nor is a group without offsets whose outputs hold records: they
  // were lost, and beginning anew would repeat or skip. Call before joining.
  Status found_group();

  // Owns `partitions`: decides per partition where reading starts, from the committed offset and
  // what the local index covers. Positions are returned in the same order.
  // Fails with stop where it can't be proven that nothing is lost or doubled.
  Result<std::vector<Position>> take(std::span<const InputPartition> partitions);

  // As take, for the partitions owned now: the truth is asked from the broker again, open indexes
  // are kept.
  Result<std::vector<Position>> take_again();

  // A restoring partition was read up to its committed offset: it runs from here on. Fails with
  // stop when what was read isn't the log that was committed.
  Status finish_restoring(OwnedPartition& owned);

  // Back to the committed offsets as known here.
  std::vector<Position> rewind();

  // Wipes what an index found damaged; the next take_again rebuilds it.
  Status wipe_damaged(std::string_view why);

  // The topics and offsets are still those that the assignment began with. To be asked now and
  // then: a client doesn't notice a topic that was deleted and created anew, nor that a group's
  // offsets went with it. A broker that doesn't answer is no failure, and isn't asked much more.
  Status check_unchanged();

  // Tells the probe where the logs end: those of `reached`, just polled; as the client remembers
  // it; or asked of the broker.
  void tell_ends(std::span<const Position> reached);
  void ask_ends();

  // What to commit with `next` as the offset of `owned`, next = the position of clock and index.
  CommitMetadata metadata(const OwnedPartition& owned, NextOffset next) const;

  // Owns nothing any more.
  void clear();

  // nullptr when not owned.
  OwnedPartition* find(InputPartition where);

  // Each owned partition was read to its end.
  bool has_reached_end() const;

  // None of the owned partitions is restoring.
  bool is_running() const;

 private:
  Result<Position> place(OwnedPartition& owned, const Committed& committed);
  Result<CommitMetadata> metadata_of(OwnedPartition& owned, const Committed& committed);
  Status check_input(const OwnedPartition& owned, const CommitMetadata& metadata);
  Status check_rule(const OwnedPartition& owned, const CommitMetadata& metadata) const;
  Status check_outputs(const OwnedPartition& owned, const CommitMetadata& metadata);
  Status open_index(OwnedPartition& owned, const CommitMetadata& metadata);
  // For a question to the brokers.
  Source& asked_source();
  Sink& asked_sink();
  Status ask_topics();
  Result<TopicIdentity> ask_topic(std::size_t i);
  Status check_same_as_before(std::size_t i, const TopicIdentity& now) const;
  std::vector<WrittenTopic> written_topics() const;
  StoreIdentity store_identity(InputPartition where) const;
  std::string name_of(InputPartition where) const;
  std::string way_out(InputIndex input) const;

  const LaneSettings& settings_;
  Source& source_;
  Sink& sink_;
  SegmentStores& stores_;
  Probe& probe_;
  std::vector<OwnedPartition> owned_;
  const std::shared_ptr<OffsetsLeft> left_at_;  // not null
  // Of the inputs, then of the outputs, as of the last take. Not of the dead letters: people empty
  // their topic when they have dealt with them.
  std::vector<TopicIdentity> topics_;
  std::size_t next_asked_ = 0;  // of them, modulo their number, by check_unchanged
};

}  // namespace weir
