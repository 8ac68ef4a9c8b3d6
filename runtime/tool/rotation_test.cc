#include "tool/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHeldTime = 100 * kSecond + kSecond / 2;

// `modified`: in seconds.
SiblingFile file(const std::string& name, std::int64_t modified, std::uint64_t bytes = 1) {
  return {name, bytes, modified * kSecond, 0, false, false};
}

SiblingFile held(const std::string& name) {
  return {name, 1, kHeldTime, 0, true, false};
}

SiblingFile past(const std::string& name, std::int64_t modified) {
  return {name, 1, modified * kSecond, 0, false, true};
}

struct Case {
  std::string what;
  std::vector<SiblingFile> siblings;
  std::string next;  // empty: none
};

// The first of the siblings is the followed one, where it is there.
void expect_next(const std::vector<Case>& cases, const std::string& followed) {
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const auto next = file_after_held(followed, one.siblings, kHeldTime);
    ASSERT_TRUE(next.is_ok()) << next.status().message();
    EXPECT_EQ(next.value() ? next.value()->name : "", one.next);
  }
}

TEST(Rotation, TheNextFileIsTheFirstToHaveBeenModifiedOfThoseThatArentPast) {
  expect_next(
      {{"one rotation", {file("log", 200), held("log.1"), past("log.2", 90)}, "log"},
       {"the new one is empty", {file("log", 200, 0), held("log.1")}, ""},
       {"the new one isn't there", {held("log.1")}, ""},
       {"two", {file("log", 200), file("log.1", 150), held("log.2"), past("log.3", 90)}, "log.1"},
       {"two, the new one isn't there", {file("log.1", 150), held("log.2")}, "log.1"},
       {"three",
        {file("log", 200), file("log.1", 150), file("log.2", 120), held("log.3")},
        "log.2"},
       {"counted upwards",
        {file("log", 200), past("log.1", 90), held("log.2"), file("log.3", 110),
         file("log.4", 120)},
        "log.3"},
       {"somebody still writes into the held one",
        {file("log", 200), file("log.1", 95), file("log.2", 90), held("log.3")},
        "log.2"},
       {"an empty one between", {file("log", 200), file("log.1", 150, 0), held("log.2")}, "log"},
       {"dates",
        {file("log", 200), held("log-20261127"), file("log-20261129", 150),
         file("log-20261128", 120), past("log-20261126", 90)},
        "log-20261128"},
       {"days first",
        {file("log", 200), held("log-30112026"), file("log-01122026", 150)},
        "log-01122026"},
       {"dates that are counted downwards",
        {file("log", 200), held("log.2026-11-29.2"), file("log.2026-11-29.1", 150)},
        "log.2026-11-29.1"},
       {"times",
        {file("log", 200), held("log.2026-11-28T09:00:00Z"),
         file("log.2026-11-28T10:00:00+01:00", 150)},
        "log.2026-11-28T10:00:00+01:00"},
       {"dates where there were numbers",
        {file("log", 200), held("log.1"), file("log-20261129", 150)},
        "log-20261129"},
       {"gz between", {file("log", 200), file("log.1.gz", 150), held("log.2")}, "log.1.gz"},
       {"gz between, its time to the second",
        {file("log", 200), file("log.1.gz", 100), held("log.2")},
        "log.1.gz"},
       {"being compressed",
        {file("log", 200), file("log.1.gz", 140), file("log.1", 150), held("log.2")},
        "log.1"},
       {"a name without a number that the held one got",
        {file("log", 200), held("log.old"), file("log.1", 120), past("log-2", 130)},
        "log.1"},
       {"the held one is gone",
        {file("log", 200), file("log.1", 150), file("log.2", 120), past("log.3", 90)},
        "log.2"},
       {"the held one is gone, and may be what can't be read",
        {file("log", 200), file("log.1.zst", 150)},
        "log"},
       {"compressed in the second of the held one",
        {file("log", 200), held("log.1"), file("log.2.xz", 100)},
        "log"},
       {"the held one is the followed one, whose link is away", {held("log")}, ""},
       {"the held one is gone, and is what can't be read, with its time to the second",
        {file("log", 200), file("log.1", 150), file("log.2.zst", 100)},
        "log.1"}},
      "log");
}

TEST(Rotation, OfOneTimeTheNamesDecide) {
  expect_next({{"numbers",
                {file("log", 101), file("log.1", 101), file("log.10", 101), file("log.9", 101),
                 held("log.11")},
                "log.10"},
               {"dates",
                {file("log", 101), held("log-20261127"), file("log-20261129", 101),
                 file("log-20261128.gz", 101)},
                "log-20261128.gz"}},
              "log");
}

// The lines of another log went into the topic.
TEST(Rotation, OtherFilesAreLeftAlone) {
  expect_next({{"no log",
                {file("log", 200), file("log.1.sha256", 150), file("log.1.tmp", 150),
                 file("log.1-x", 150), file("log.bak", 150), file("logins", 160), file("log2", 170),
                 file("b.1", 180), held("log.1")},
                "log"},
               {"compressed of what is past",
                {file("log", 200), held("log.1"), file("log.2.gz", 99), file("log.3.xz", 99)},
                "log"},
               {"the held one is being compressed",
                {file("log", 200), file("log.1.xz", 150), held("log.1")},
                "log"}},
              "log");
  expect_next(
      {{"differs in a number",
        {file("w-1.log", 200), held("w-1.log.1"), file("w-2.log.1", 150), file("w-2.log", 210)},
        "w-1.log"}},
      "w-1.log");
  expect_next(
      {{"a number within its name",
        {file("a.log", 200), held("a.log.1"), file("a-2.log", 150)},
        "a.log"},
       {"a date within its name",
        {file("a.log", 200), held("a.log.1"), file("a-20261129.log", 150)},
        "a.log"},
       {"a process id, where a date is",
        {file("a.log", 200), held("a-20261129.log"), file("a-31337.log", 150)},
        "a.log"},
       {"a number, where a date is",
        {file("a.log", 200), held("a-20261129.log"), file("a-2.log", 150)},
        "a.log"},
       {"another separator", {file("a.log", 200), held("a.2.log"), file("a-1.log", 150)}, "a.log"},
       {"where numbers are within the names",
        {file("a.log", 200), file("a.1.log", 150), held("a.2.log")},
        "a.1.log"},
       {"the held one is gone", {file("a.log", 200), file("a-2.log", 150)}, "a.log"}},
      "a.log");
}

TEST(Rotation, OfSeveralNamesOfTheHeldFileTheFollowedOneCounts) {
  const std::vector<SiblingFile> links{held("log.keep"), held("log.2"), held("log"), held("log.9")};
  ASSERT_NE(find_held("log", links), nullptr);
  EXPECT_EQ(find_held("log", links)->name, "log");
  EXPECT_EQ(find_held("x", links)->name, "log.keep");
  EXPECT_EQ(find_held("log", {held("log.keep"), held("log.2")})->name, "log.2");
  EXPECT_EQ(find_held("log", {file("log", 1)}), nullptr);
}

TEST(Rotation, WhatCannotBeReadIsNamedWithTheWayOut) {
  const auto next = file_after_held("log",
                                    {file("log", 200), file("log.1", 150), file("log.2.xz", 120),
                                     held("log.3"), file("log.4.xz", 90)},
                                    kHeldTime);
  ASSERT_FALSE(next.is_ok());
  EXPECT_EQ(next.status().exit_code(), ExitCode::bad_input);
  EXPECT_THAT(next.status().message(),
              AllOf(HasSubstr("log.2.xz, log.1;"), HasSubstr("weir produce FILE"),
                    Not(HasSubstr("log.4"))));
}

// It was left out without a word.
TEST(Rotation, OfSeveralThatCannotBeReadOnlyOneMayBeTheFileThatIsGone) {
  const auto next = file_after_held(
      "log", {file("log", 200), file("log.1", 150), file("log.2.xz", 120), file("log.3.xz", 100)},
      kHeldTime);
  ASSERT_FALSE(next.is_ok());
  EXPECT_THAT(next.status().message(),
              AllOf(HasSubstr("log.2.xz, log.1;"), Not(HasSubstr("log.3"))));
}

}  // namespace
}  // namespace weir
