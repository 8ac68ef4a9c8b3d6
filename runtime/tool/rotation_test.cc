#include "tool/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Times count in seconds here.
SiblingFile file(const std::string& name, std::int64_t modified, std::uint64_t bytes = 1) {
  return {name, bytes, modified, 0, false, false};
}

SiblingFile held(const std::string& name, std::int64_t modified) {
  return {name, 1, modified, 0, true, false};
}

SiblingFile read_before(const std::string& name, std::int64_t modified) {
  return {name, 1, modified, 0, false, true};
}

constexpr std::int64_t kHeldTime = 100;

struct Case {
  std::string what;
  std::vector<SiblingFile> siblings;
  std::string next;  // empty: none
};

TEST(Rotation, TheNextFileIsTheOldestThatWasWrittenAfterTheHeldOne) {
  const std::vector<Case> cases{
      {"one rotation", {file("log", 200), held("log.1", 100), file("log.2", 90)}, "log"},
      {"the new one is empty", {file("log", 200, 0), held("log.1", 100)}, ""},
      {"the new one isn't there", {held("log.1", 100)}, ""},
      {"two",
       {file("log", 200), file("log.1", 150), held("log.2", 100), file("log.3", 90)},
       "log.1"},
      {"two, the new one isn't there", {file("log.1", 150), held("log.2", 100)}, "log.1"},
      {"three",
       {file("log", 200), file("log.1", 150), file("log.2", 120), held("log.3", 100)},
       "log.2"},
      {"within one tick",
       {file("log", 100), file("log.1", 100), file("log.2", 100), held("log.3", 100),
        file("log.4", 100)},
       "log.2"},
      {"more than nine",
       {file("log", 200), file("log.9", 130), file("log.10", 120), held("log.11", 100)},
       "log.10"},
      {"numbers upwards",
       {file("log", 200), file("log.1", 90), held("log.2", 100), file("log.3", 110),
        file("log.4", 120)},
       "log.3"},
      {"an empty one between",
       {file("log", 200), file("log.1", 150, 0), held("log.2", 100)},
       "log"},
      {"old ones that somebody mixed up",
       {file("log", 200), held("log.1", 100), file("log.2", 70), file("log.3", 80)},
       "log"},
      {"dates",
       {file("log", 200), held("log-20261127", 100), file("log-20261129", 150),
        file("log-20261128", 120), file("log-20261126", 90)},
       "log-20261128"},
      {"dates with dashes",
       {file("log", 200), held("log.2026-11-27", 100), file("log.2026-11-28", 150)},
       "log.2026-11-28"},
      {"a number before the extension",
       {file("a.log", 200), file("a.1.log", 150), held("a.2.log", 100)},
       "a.1.log"},
      {"gz between", {file("log", 200), file("log.1.gz", 150), held("log.2", 100)}, "log.1.gz"},
      {"being compressed",
       {file("log", 200), file("log.1.gz", 150), file("log.1", 140), held("log.2", 100)},
       "log.1"},
      {"the held one is being compressed",
       {file("log", 200), file("log.1.xz", 150), held("log.1", 100)},
       "log"},
      {"the held one was compressed since",
       {file("log", 200), held("log.1.gz", 170), file("log.2.gz", 90)},
       "log"},
      {"an unreadable one before",
       {file("log", 200), held("log.1", 100), file("log.2.xz", 90)},
       "log"},
      {"an unrelated one, older",
       {file("log", 200), held("log.1", 100), file("log.bak", 50)},
       "log"},
      {"unrelated ones, newer",
       {file("log", 200), held("log.1", 100), file("log.bak", 150), file("logins", 160),
        file("log2", 170), file("b.1", 180)},
       "log"},
      {"another log, with a number",
       {file("log", 200), held("log.1", 100), file("log-2", 150)},
       "log"},
      {"another log that differs in a number",
       {file("w-1.log", 200), held("w-1.log.1", 100), file("w-2.log.1", 150), file("w-2.log", 210)},
       "w-1.log"},
      {"another log with a number within its name",
       {file("a.log", 200), held("a.log.1", 100), file("a-2.log", 150)},
       "a.log"},
      {"dates beside numbers",
       {file("log", 200), held("log.1", 100), file("log.20261129", 150)},
       "log"},
      {"what is no log",
       {file("log", 200), file("log.1.sha256", 150), file("log.1.tmp", 150), file("log.1-x", 150),
        held("log.1", 100)},
       "log"},
      {"the held one under another name, too",
       {file("log", 200), held("log.keep", 100), held("log.2", 100), held("log.3", 100),
        file("log.1", 150)},
       "log.1"},
      {"a name without a number that the held one got",
       {file("log", 200), held("log.old", 100), file("log.1", 120), file("log-2", 130)},
       "log"},
      {"the second one upwards, behind one that was read",
       {file("log", 200), read_before("log.1", 90), held("log.2", 100)},
       "log"},
      {"an older one that was touched, and was read",
       {file("log", 200), held("log.1", 100), read_before("log.2", 150)},
       "log"},
      {"the held one is gone, and all others are older",
       {file("log", 200), file("log.1", 90)},
       "log"},
      {"upwards, proven by one that was read",
       {file("log", 200), read_before("log.1", 90), held("log.2", 100), file("log.3", 110)},
       "log.3"},
      {"an older date, compressed since",
       {file("log", 200), file("log-20261127.gz", 150), held("log-20261128", 100)},
       "log"},
      {"the held one is gone, and another log is beside",
       {file("a.log", 200), file("a-2.log", 150)},
       "a.log"},
      {"dates and times",
       {file("log", 200), held("log.2026-11-28T09:00", 100), file("log.2026-11-28T10:00", 150),
        file("log.2026-11-28T08:00", 90)},
       "log.2026-11-28T10:00"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const std::string& first = one.siblings.front().name;
    const std::string followed = first.ends_with(".log") ? first : "log";
    const auto next = file_after_held(followed, one.siblings, kHeldTime);
    ASSERT_TRUE(next.is_ok()) << next.status().message();
    EXPECT_EQ(next.value() ? next.value()->name : "", one.next);
  }
}

TEST(Rotation, WhatCannotBeReadIsNamedWithTheWayOut) {
  const auto next = file_after_held("log",
                                    {file("log", 200), file("log.1", 150), file("log.2.xz", 120),
                                     held("log.3", 100), file("log.4.xz", 90)},
                                    kHeldTime);
  ASSERT_FALSE(next.is_ok());
  EXPECT_EQ(next.status().exit_code(), ExitCode::bad_input);
  EXPECT_THAT(next.status().message(),
              AllOf(HasSubstr("log.2.xz, log.1;"), HasSubstr("weir produce FILE"),
                    Not(HasSubstr("log.4"))));
}

// A file was left out, or read twice, without a word.
TEST(Rotation, AnOrderThatIsNotClearIsSaid) {
  for (const std::vector<SiblingFile>& siblings : std::vector<std::vector<SiblingFile>>{
           {file("log.1", 50), held("log.2", 100)},   // touched since it was rotated, or written to
           {held("log.1", 100), file("log.2", 150)},  // compressed anew
           {file("log.1", 50), held("log.2", 100), file("log.3", 40)},
           {file("log.1", 60), file("log.2", 50), held("log.3", 100)},
           {file("log.1", 150), file("log.2", 120), file("log.3", 90)},  // the held one is gone
           {file("log-01-12-2026", 150), held("log-28-11-2026", 100)},
           {file("log.1", 120), file("log.2", 150), held("log.3", 100), file("log.4", 90)},
           {file("log.1", 50), held("log.2", 100), file("log.3", 90)},
           {held("log.1", 100), file("log.2", 90), file("log.3", 150)}}) {
    const auto next = file_after_held("log", siblings, kHeldTime);
    ASSERT_FALSE(next.is_ok()) << next.value().value_or(SiblingFile{}).name;
    EXPECT_EQ(next.status().exit_code(), ExitCode::bad_input);
    EXPECT_THAT(next.status().message(), HasSubstr("the order isn't clear"));
    for (const SiblingFile& one : siblings) {
      if (one.is_held) {  // who would move it took away what is still to be sent
        EXPECT_THAT(next.status().message(), Not(HasSubstr(one.name)));
      }
    }
  }
}

}  // namespace
}  // namespace weir
