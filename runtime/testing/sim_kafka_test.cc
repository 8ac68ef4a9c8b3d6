#include "testing/sim_kafka.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kGroup = "group";
constexpr const char* kInput = "in";
constexpr const char* kOutput = "out";

// Says that it takes what it is assigned from the beginning, and what it was told.
class Listener final : public AssignmentListener {
 public:
  Result<std::vector<Position>> assigned(std::span<const InputPartition> partitions) override {
    std::vector<Position> positions;
    for (const InputPartition& where : partitions) {
      positions.push_back({where, NextOffset(0)});
    }
    return positions;
  }

  void revoked(bool lost) override { told.push_back(lost ? "lost" : "revoked"); }

  std::vector<std::string> told;
};

class SimKafkaTest : public ::testing::Test {
 protected:
  SimKafkaTest() {
    kafka_.create_topic(kInput);
    kafka_.create_topic(kOutput, {.partitions = 8});
    const SimFaults faults = [this](std::string_view operation) {
      return failing_ == operation ? Status::abort("fault") : Status::ok();
    };
    sink_ = kafka_.sink("writer", {kOutput}, kGroup, {kInput}, faults);
    source_ = kafka_.source(kGroup, {kInput}, faults);
    EXPECT_TRUE(sink_->open().is_ok());
    EXPECT_TRUE(source_->open(listener_).is_ok());
    EXPECT_TRUE(poll().is_ok());
  }

  Status poll() { return source_->poll(std::chrono::milliseconds(0), 1).status(); }

  Status send(std::string_view key, Partition to = Partition(0)) {
    OutRecord record;
    record.partition = to;
    record.timestamp = Timestamp(1);
    record.key = key;
    return sink_->send(std::span(&record, 1));
  }

  Status send_offset(std::int64_t next) {
    const OffsetToCommit offset{{InputIndex(0), Partition(0)}, NextOffset(next), ""};
    const Result<std::string> membership = source_->membership();
    EXPECT_TRUE(membership.is_ok());
    return sink_->send_offsets(std::span(&offset, 1), membership.value());
  }

  // Calls with `operation` failing.
  template <class Call>
  Status with(std::string_view operation, Call call) {
    failing_ = operation;
    const Status done = call();
    failing_ = "";
    return done;
  }

  // A transaction of key "a" and offset 1, of which the first copy of that request is kept.
  void leave_copy(std::string_view operation) {
    ASSERT_TRUE(sink_->begin().is_ok());
    ASSERT_TRUE(send("a").is_ok());
    ASSERT_TRUE(with(operation, [this] { return send_offset(1); }).is_ok());
    ASSERT_TRUE(with(operation, [&] {
                  return operation == "abort_copy" ? sink_->abort() : sink_->commit();
                }).is_ok());
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const auto& [offset, record] : kafka_.read(kOutput, 0)) {
      keys.push_back(record.key.value());
    }
    return keys;
  }

  std::optional<NextOffset> committed() const { return kafka_.committed(kGroup, kInput, 0); }

  std::string failing_;
  SimKafka kafka_;
  Listener listener_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<Source> source_;
};

// murmur2("foobar") = -790332482, murmur2("21") = -973932308, in Java.
TEST_F(SimKafkaTest, AKeyChoosesThePartitionThatItChoosesInKafka) {
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send("foobar", kPartitionByKey).is_ok());
  ASSERT_TRUE(send("21", kPartitionByKey).is_ok());
  ASSERT_TRUE(sink_->commit().is_ok());
  const auto key_at = [this](std::int32_t partition) {
    return kafka_.read(kOutput, partition).at(0).second.key.value();
  };
  EXPECT_EQ(key_at((-790332482 & 0x7fffffff) % 8), "foobar");
  EXPECT_EQ(key_at((-973932308 & 0x7fffffff) % 8), "21");
}

// The cases of late copies, as brokers were seen to take them.

TEST_F(SimKafkaTest, ALateCommitEndsTheNextTransactionHalfWay) {
  leave_copy("commit_copy");
  EXPECT_EQ(sink_->doubt(), Doubt::producer);
  ASSERT_TRUE(sink_->begin().is_ok());
  EXPECT_EQ(sink_->doubt(), Doubt::none);
  ASSERT_TRUE(send("b").is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return sink_->flush(); }).is_ok());
  EXPECT_THAT(keys(), ElementsAre("a", "b"));
  EXPECT_EQ(committed(), NextOffset(1));
  ASSERT_TRUE(send("c").is_ok());
  EXPECT_EQ(sink_->flush().remedy(), Remedy::abort) << "its partition is in no transaction";
  EXPECT_EQ(sink_->abort().remedy(), Remedy::recreate) << "it was committed";
}

TEST_F(SimKafkaTest, ALateAbortTakesOutputsAwayWithoutAnError) {
  leave_copy("abort_copy");
  EXPECT_EQ(sink_->doubt(), Doubt::producer);
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send("b").is_ok());
  ASSERT_TRUE(sink_->flush().is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return send_offset(2); }).is_ok());
  ASSERT_TRUE(sink_->commit().is_ok());
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_EQ(committed(), NextOffset(2));
}

TEST_F(SimKafkaTest, LateOffsetsSetTheGroupBack) {
  leave_copy("offsets_copy");
  EXPECT_EQ(sink_->doubt(), Doubt::producer_and_consumer);
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send_offset(2).is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return sink_->commit(); }).is_ok());
  EXPECT_EQ(committed(), NextOffset(1));
}

TEST_F(SimKafkaTest, ANewProducerFencesLateCopiesOfCommits) {
  leave_copy("commit_copy");
  ASSERT_TRUE(sink_->recreate().is_ok());
  EXPECT_EQ(sink_->doubt(), Doubt::none);
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send("b").is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return sink_->flush(); }).is_ok());
  EXPECT_THAT(keys(), ElementsAre("a"));
  ASSERT_TRUE(sink_->commit().is_ok());
  EXPECT_THAT(keys(), ElementsAre("a", "b"));
}

TEST_F(SimKafkaTest, ANewProducerAloneDoesNotKeepLateOffsetsFromDoingHarm) {
  leave_copy("offsets_copy");
  ASSERT_TRUE(sink_->recreate().is_ok());
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send_offset(2).is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return sink_->commit(); }).is_ok());
  EXPECT_EQ(committed(), NextOffset(1)) << "refused, yet what was pending is forgotten";
}

TEST_F(SimKafkaTest, ANewProducerAndANewMemberFenceLateOffsets) {
  leave_copy("offsets_copy");
  ASSERT_TRUE(sink_->recreate().is_ok());
  ASSERT_TRUE(source_->rejoin().is_ok());
  ASSERT_TRUE(poll().is_ok());
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send_offset(2).is_ok());
  ASSERT_TRUE(with("late_copy", [this] { return sink_->commit(); }).is_ok());
  EXPECT_EQ(committed(), NextOffset(2));
}

TEST_F(SimKafkaTest, ATransactionThatIsCutOffLeavesItsDoubtStanding) {
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(with("offsets_copy", [this] { return send_offset(1); }).is_ok());
  ASSERT_FALSE(with("recreate", [this] { return sink_->recreate(); }).is_ok());
  ASSERT_TRUE(sink_->recreate().is_ok());
  EXPECT_EQ(sink_->doubt(), Doubt::producer_and_consumer);
  ASSERT_TRUE(sink_->recreate().is_ok());
  EXPECT_EQ(sink_->doubt(), Doubt::none);
}

TEST_F(SimKafkaTest, CommittedOffsetsAreNotToldWhileATransactionOnThemIsOpen) {
  const InputPartition where{InputIndex(0), Partition(0)};
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send_offset(1).is_ok());
  EXPECT_EQ(source_->committed(std::span(&where, 1)).status().remedy(), Remedy::retry);
  ASSERT_TRUE(sink_->commit().is_ok());
  EXPECT_EQ(source_->committed(std::span(&where, 1)).value().at(0).next, NextOffset(1));
}

TEST_F(SimKafkaTest, AMemberWhoseSessionEndedReadsOnUntilItHearsOfIt) {
  ASSERT_TRUE(sink_->begin().is_ok());
  EXPECT_EQ(with("session", [this] { return send_offset(1); }).remedy(), Remedy::abort);
  ASSERT_TRUE(with("heartbeat", [this] { return poll(); }).is_ok());
  EXPECT_THAT(listener_.told, IsEmpty());
  EXPECT_EQ(send_offset(1).remedy(), Remedy::abort);
  ASSERT_TRUE(poll().is_ok());
  EXPECT_THAT(listener_.told, ElementsAre("lost"));
  EXPECT_TRUE(send_offset(1).is_ok()) << "as a new member";
}

// As librdkafka tells it when a rebalance was under way already.
TEST_F(SimKafkaTest, ALostAssignmentMayBeToldAsARevocation) {
  ASSERT_TRUE(sink_->begin().is_ok());
  EXPECT_EQ(with("session", [this] { return send_offset(1); }).remedy(), Remedy::abort);
  ASSERT_TRUE(with("assignment_lost", [this] { return poll(); }).is_ok());
  EXPECT_THAT(listener_.told, ElementsAre("revoked"));
}

}  // namespace
}  // namespace weir
