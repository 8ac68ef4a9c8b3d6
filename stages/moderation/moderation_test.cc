#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"
#include "edits/v1/edit.pb.h"
#include "moderation/v1/moderation.pb.h"

#include "testing/stage_driver.h"

namespace stages::moderation {

weir::StageSpec spec();

namespace {

using ::comments::v1::Comment;
using ::edits::v1::Edit;
using ::moderation::v1::Activity;
using ::moderation::v1::Alert;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const weir::ConfigFile kConfig{"config/moderation.yaml"};

Comment comment(const std::string& id, std::uint32_t spam_per_10000) {
  Comment comment;
  comment.set_comment_id(id);
  comment.set_author("Ada");
  comment.set_video("Psy");
  comment.mutable_spam()->set_spam_per_10000(spam_per_10000);
  return comment;
}

Edit edit(bool is_anonymous, std::int64_t deleted) {
  Edit edit;
  edit.set_time("2015-09-12T00:00:00Z");
  edit.set_user("Grace");
  edit.set_page("Kafka");
  edit.set_is_anonymous(is_anonymous);
  edit.set_deleted(deleted);
  return edit;
}

TEST(Moderation, WhatCameFromEitherInputIsActivity) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("comments", comment("c1", 0));
  driver.run();
  driver.pipe("edits", edit(true, 0));
  EXPECT_THAT(
      driver.read_json("activity"),
      ElementsAre(
          R"({"source":"comments","id":"c1","who":"Ada","place":"Psy"})",
          R"({"source":"edits","id":"2015-09-12T00:00:00Z","who":"Grace","place":"Kafka"})"));
  EXPECT_THAT(driver.read_all<Alert>("alerts"), IsEmpty());
}

TEST(Moderation, SpamIsAnAlertFromTheConfidenceOfItsOptions) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("comments", comment("c1", 9'899));
  driver.pipe("comments", comment("c2", 9'900));
  const auto alerts = driver.read_all<Alert>("alerts");
  ASSERT_THAT(alerts, SizeIs(1));
  EXPECT_EQ(alerts[0].activity().id(), "c2");
  EXPECT_EQ(alerts[0].why(), "spam");
}

TEST(Moderation, ALargeRemovalIsAnAlertWhereNobodySignedIt) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("edits", edit(true, 399));
  driver.pipe("edits", edit(false, 400));
  driver.pipe("edits", edit(true, 400));
  const auto alerts = driver.read_all<Alert>("alerts");
  ASSERT_THAT(alerts, SizeIs(1));
  EXPECT_EQ(alerts[0].why(), "removal");
}

TEST(Moderation, GarbageInOneInputDoesNotHoldUpTheOther) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("comments", "\xff");
  driver.pipe("edits", edit(true, 0));
  EXPECT_THAT(driver.read_all<Activity>("activity"), SizeIs(1));
  EXPECT_THAT(driver.dead_letters(), SizeIs(1));
}

}  // namespace
}  // namespace stages::moderation
