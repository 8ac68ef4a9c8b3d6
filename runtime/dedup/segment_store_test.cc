#include "dedup/segment_store.h"

#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

TEST(KeyHash, IsWhatStoresOnDiskWereWrittenWith) {
  // Another value here makes every store on disk forget what it saw.
  EXPECT_EQ(hash_of("comment-1"), (KeyHash{.high = 0x715072B6288AA71A, .low = 0xECDAB6E947AE50A7}));
  EXPECT_EQ(hash_of(""), (KeyHash{.high = 0x78C5C4D44D4DD084, .low = 0x53CDCA6E13A31A4E}));
}

TEST(KeyHash, DiffersWhereTheKeyDiffers) {
  EXPECT_NE(hash_of("s1:1"), hash_of("n1:1"));
  EXPECT_NE(hash_of(std::string_view("a\0b", 3)), hash_of(std::string_view("a\0c", 3)));
}

TEST(StoreIdentity, IsTheSameAsItself) {
  const StoreIdentity identity{
      .cluster_id = "c", .topic = "t", .topic_id = "i", .group = "g", .key_rule = "k"};
  EXPECT_TRUE(check_identity(identity, identity, "here").is_ok());
}

TEST(StoreIdentity, ATopicWhoseIdIsUnknownMayBeAny) {
  StoreIdentity known;
  known.topic_id = "i";
  EXPECT_TRUE(check_identity(known, StoreIdentity(), "here").is_ok());
  EXPECT_TRUE(check_identity(StoreIdentity(), known, "here").is_ok());
}

TEST(StoreIdentity, RefusalNamesPlaceFieldAndBothValues) {
  StoreIdentity stored{
      .cluster_id = "c", .topic = "t", .topic_id = "i", .group = "g", .key_rule = "k"};
  stored.partitions = 4;
  StoreIdentity wanted = stored;
  wanted.partitions = 6;
  const Status refusal = check_identity(stored, wanted, "/state/t-0");
  ASSERT_FALSE(refusal.is_ok());
  EXPECT_EQ(refusal.remedy(), Remedy::stop);
  EXPECT_EQ(refusal.exit_code(), ExitCode::config);
  EXPECT_THAT(refusal.message(), HasSubstr("/state/t-0"));
  EXPECT_THAT(refusal.message(), HasSubstr("partitions is '4', this stage's is '6'"));
  EXPECT_THAT(refusal.message(), HasSubstr("new version"));
}

TEST(StoreIdentity, OfABrokerThatWasThrownAwayAllStoresAreToBeRemoved) {
  StoreIdentity stored;
  StoreIdentity wanted;
  wanted.cluster_id = "x";
  EXPECT_THAT(check_identity(stored, wanted, "state/spam/v1/0/t-0").message(),
              HasSubstr("if the other broker was only for trying, remove state/spam/v1/0 and "));
  wanted = stored;
  stored.topic_id = "i";
  wanted.topic_id = "x";
  EXPECT_THAT(check_identity(stored, wanted, "state/spam/v1/0/t-0").message(),
              Not(HasSubstr("remove")));
}

TEST(StoreIdentity, EachFieldCounts) {
  StoreIdentity stored;
  stored.topic_id = "i";
  const std::vector<std::pair<std::string, std::function<void(StoreIdentity&)>>> changes{
      {"cluster_id", [](StoreIdentity& i) { i.cluster_id = "x"; }},
      {"topic", [](StoreIdentity& i) { i.topic = "x"; }},
      {"topic_id", [](StoreIdentity& i) { i.topic_id = "x"; }},
      {"partition", [](StoreIdentity& i) { i.partition = 9; }},
      {"partitions", [](StoreIdentity& i) { i.partitions = 9; }},
      {"group", [](StoreIdentity& i) { i.group = "x"; }},
      {"window", [](StoreIdentity& i) { i.window_ms = 9; }},
      {"window_buckets", [](StoreIdentity& i) { i.window_buckets = 9; }},
      {"key_rule", [](StoreIdentity& i) { i.key_rule = "x"; }},
  };
  for (const auto& [field, change] : changes) {
    StoreIdentity wanted = stored;
    change(wanted);
    const Status refusal = check_identity(stored, wanted, "here");
    ASSERT_FALSE(refusal.is_ok()) << field;
    EXPECT_THAT(refusal.message(), HasSubstr("its " + field + " is '"));
  }
}

}  // namespace
}  // namespace weir
