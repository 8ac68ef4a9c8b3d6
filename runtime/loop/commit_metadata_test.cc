#include "loop/commit_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;

const std::vector<WrittenTopic> kWritten{{"out", "Ab-_1", 4}, {"more", "", 2}};
const DedupRule kRule{DedupWindow{std::chrono::hours(24), 4}, "fields:a;k=b"};

// What lies in Kafka already: another text would stop every deployment at its next start.
TEST(CommitMetadata, IsStoredAsThis) {
  EXPECT_EQ(
      (CommitMetadata{NextOffset(12), StreamTime(1'700'000'000'000), "Zz-9", kWritten, kRule}
           .print()),
      "weir1;r=12;t=1700000000000;i=Zz-9;o=out:Ab-_1:4,more::2;w=86400000;b=4;k=fields:a;k=b");
  EXPECT_EQ((CommitMetadata{NextOffset(0), StreamTime(), {}, {}, {}}.print()),
            "weir1;r=0;t=0;i=;o=;w=0;b=0;k=");
}

TEST(CommitMetadata, ComesBackAsPrinted) {
  const auto parsed = CommitMetadata::parse(
      CommitMetadata{NextOffset(12), StreamTime(1'700'000'000'000), "Zz-9", kWritten, kRule}
          .print());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->rebuild_from, NextOffset(12));
  EXPECT_EQ(parsed->time, StreamTime(1'700'000'000'000));
  EXPECT_EQ(parsed->input_id, "Zz-9");
  EXPECT_THAT(parsed->outputs, ElementsAreArray(kWritten));
  EXPECT_EQ(parsed->rule, kRule);
  const auto off = CommitMetadata::parse(CommitMetadata().print());
  ASSERT_TRUE(off.has_value());
  EXPECT_EQ(off->rule, DedupRule());
  EXPECT_THAT(off->outputs, IsEmpty());
}

TEST(CommitMetadata, StoredBeforeInputsWereNamedIsOursToo) {
  const auto parsed = CommitMetadata::parse("weir1;r=12;t=17;o=out:Ab:4;w=0;b=0;k=");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->input_id, "");
  EXPECT_EQ(parsed->time, StreamTime(17));
  EXPECT_THAT(parsed->outputs, SizeIs(1));
}

TEST(CommitMetadata, OfSomebodyElseIsNotTakenForOurs) {
  for (const char* text :
       {"", "weir1", "weir1;r=;t=1;o=;w=0;b=0;k=", "weir1;r=1;t=2;o=a", "weir1;r=1;t=2;o=a;w=1;b=1",
        "weir1;r=1;t=2;o=a:b;w=0;b=0;k=", "weir1;r=1;t=2;o=a:b:x;w=0;b=0;k=",
        "weir1;r=1;t=2;w=0;b=0;k=", "weir1;r=1;t=2;i=a", "weir1;r=1;t=2;i=a;w=0;b=0;k=",
        "weir1;r=-1;t=2;o=;w=0;b=0;k=", "weir1;r=1;t=2;o=;w=1;b=x;k=",
        "weir1;r=99999999999999999999;t=2;o=;w=0;b=0;k=", "weir1;r=1;t=2;o=;w=1;b=9999999999;k=",
        "weir1;r=1;t=2;o=a:b:2147483648;w=0;b=0;k=", "r=1;t=2;o=;w=0;b=0;k="}) {
    EXPECT_FALSE(CommitMetadata::parse(text).has_value()) << text;
  }
}

TEST(DedupRule, IsSaidInWords) {
  EXPECT_EQ(kRule.text(), "24h in 4 buckets, key fields:a;k=b");
  EXPECT_EQ(DedupRule().text(), "off");
}

}  // namespace
}  // namespace weir
