#include "host/run_file.h"

#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/file_lock.h"
#include "testing/small_disk.h"

namespace weir {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class RunFiles : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(state_); }

  RunFile of(int version, const std::string& instance = "0") const {
    config::Deployment deployment;
    deployment.id = "ingest-x";
    deployment.version = version;
    deployment.instance = instance;
    deployment.state = state_.string();
    return RunFile(deployment);
  }

  std::vector<RunEntry> all() const { return read_run_files(state_); }

  const fs::path state_ = fs::path(::testing::TempDir()) / fmt::format("run-{}", ::getpid());
};

TEST_F(RunFiles, AProcessIsListedFromItsStartToItsGoodEnd) {
  RunFile file = of(2, "b");
  file.started("127.0.0.1:9");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0].deployment, "ingest-x");
  EXPECT_EQ(all()[0].version, 2);
  EXPECT_EQ(all()[0].instance, "b");
  EXPECT_EQ(all()[0].pid, ::getpid());
  EXPECT_EQ(all()[0].address, "127.0.0.1:9");
  EXPECT_FALSE(all()[0].failure);
  EXPECT_FALSE(all()[0].is_gone());
  file.ended_well();
  EXPECT_THAT(all(), IsEmpty());
}

TEST_F(RunFiles, AnEntrySaysWhatStartedItAndWhenItLastLived) {
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.state = state_.string();
  deployment.settings = {
      {{"lanes"}, "4", {"WEIR__LANES"}, {}},
      {{"name"}, "x", {"x.yaml", 1, 1}, {"${WHO}", "default of ${WHAT}"}},
      {{"kafka", "sasl.password"}, "***", {"x.yaml", 2, 1}, {"${file:/secret}"}}};
  RunFile file(deployment);
  file.started("");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_THAT(all()[0].command, ::testing::MatchesRegex("cd " + fs::current_path().string() +
                                                        " && .*run_file_test.*"));
  EXPECT_THAT(all()[0].variables, ::testing::ElementsAre("WEIR__LANES", "WHO"));
  fs::last_write_time(state_ / "run" / "ingest-x.v1-.json",
                      std::chrono::file_clock::from_sys(
                          std::chrono::sys_seconds(std::chrono::seconds(1'715'904'000))));
  EXPECT_EQ(all()[0].seen, std::chrono::sys_seconds(std::chrono::seconds(1'715'904'000)));
  file.alive(true);
  EXPECT_GT(all()[0].seen, std::chrono::system_clock::now() - std::chrono::hours(1));
}

TEST_F(RunFiles, ACommandCanBeTypedWhateverItsWordsHold) {
  const fs::path before = fs::current_path();
  fs::create_directories(state_ / "it's here");
  fs::current_path(state_ / "it's here");
  RunFile file = of(1);
  fs::current_path(before);
  file.started("");
  EXPECT_THAT(all()[0].command,
              ::testing::StartsWith("cd '" + state_.string() + R"(/it'\''s here' && )"));
}

TEST_F(RunFiles, AnEntryIsGoneWithoutItsProcessOrASignOfIt) {
  const auto now = std::chrono::system_clock::now();
  RunEntry entry{.deployment = "ingest-x", .instance = "0", .pid = ::getpid(), .seen = now};
  EXPECT_FALSE(entry.is_gone());
  entry.seen = now - 2 * RunFile::kSeenEvery;
  EXPECT_FALSE(entry.is_gone()) << "it may be slow";
  entry.seen = now - 5 * RunFile::kSeenEvery;
  EXPECT_TRUE(entry.is_gone()) << "another process has its number";
  entry.pid = 0;
  EXPECT_TRUE(entry.is_gone());
  entry.failure = {"2024-05-17T00:00:00Z", 74, "full"};
  EXPECT_FALSE(entry.is_gone()) << "it said why";
  const RunEntry killed{.deployment = "ingest-x", .instance = "0", .pid = 1073741823, .seen = now};
  EXPECT_TRUE(killed.is_gone());
}

// Its user, the stage's own, is another than who looks at 3 a.m.
TEST_F(RunFiles, AProcessThatHoldsItsLockIsGoneToNobodyWhoAsks) {
  constexpr uid_t kNobody = 65534;
  const auto lock = FileLock::acquire(state_ / "ingest-x" / "v1" / "0" / "lock");
  const RunEntry entry{.deployment = "ingest-x",
                       .version = 1,
                       .instance = "0",
                       .pid = ::getpid(),
                       .seen = std::chrono::system_clock::now() - std::chrono::hours(1),
                       .file = state_ / "run" / "ingest-x.v1-0.json"};
  EXPECT_FALSE(entry.is_gone());
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can be somebody else";
  }
  ASSERT_EQ(::seteuid(kNobody), 0);
  const bool is_gone = entry.is_gone();
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_FALSE(is_gone);
}

TEST_F(RunFiles, AFailureStaysUntilTheNextStart) {
  of(2).failed(Status::stop(ExitCode::disk, "full\n\"disk\""));
  ASSERT_THAT(all(), SizeIs(1));
  ASSERT_TRUE(all()[0].failure);
  EXPECT_EQ(all()[0].failure->exit_code, 74);
  EXPECT_EQ(all()[0].failure->reason, "full\n\"disk\"");
  EXPECT_THAT(all()[0].failure->at, ::testing::MatchesRegex("20..-..-..T..:..:..Z"));
  of(2).started("");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_FALSE(all()[0].failure);
}

// The second reason is often what the first left behind, and hid it.
TEST_F(RunFiles, StartsThatFailOneAfterTheOtherKeepTheFirstReasonAndAreCounted) {
  RunFile worked = of(1);
  worked.started("");
  worked.failed(Status::stop(ExitCode::broken, "ahead"));
  of(0).failed(Status::stop(ExitCode::config, "no YAML"));
  RunFile third = of(2);
  third.started("");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_FALSE(all()[0].failure);
  ASSERT_TRUE(all()[0].crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 2);
  third.failed(Status::stop(ExitCode::config, "refused"));
  ASSERT_THAT(all(), SizeIs(1));
  ASSERT_TRUE(all()[0].crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 3);
  EXPECT_EQ(all()[0].crash_loop->first.reason, "ahead");
  EXPECT_EQ(all()[0].crash_loop->first.exit_code, 70);
  EXPECT_EQ(all()[0].crash_loop->last.reason, "refused");
}

TEST_F(RunFiles, ACrashLoopEndsWithAStartThatIsReadyForLongEnough) {
  of(1).failed(Status::stop(ExitCode::config, "refused"));
  RunFile file = of(1);
  file.started("127.0.0.1:9");
  const std::chrono::steady_clock::time_point start;
  file.alive(true, start);
  file.alive(false, start + RunFile::kWorksAfter);
  file.alive(true, start + RunFile::kWorksAfter);
  file.alive(true, start + 2 * RunFile::kWorksAfter - RunFile::kSeenEvery);
  EXPECT_TRUE(all().at(0).crash_loop) << "it wasn't ready in between";
  file.alive(true, start + 2 * RunFile::kWorksAfter);
  EXPECT_FALSE(all().at(0).crash_loop);
  EXPECT_FALSE(all().at(0).is_new) << "killed from now on it is part of none";
  EXPECT_EQ(all().at(0).address, "127.0.0.1:9");
  file.failed(Status::stop(ExitCode::disk, "full"));
  ASSERT_TRUE(all().at(0).crash_loop);
  EXPECT_EQ(all().at(0).crash_loop->starts, 1);
}

TEST_F(RunFiles, AStartThatWasKilledIsPartOfACrashLoopUnlessItWorked) {
  for (const auto& [is_new, starts] : {std::pair("true", 1), {"false", 0}}) {
    fs::create_directories(state_ / "run");
    std::ofstream(state_ / "run" / "ingest-x.v1-0.json")
        << R"({"deployment":"ingest-x","version":1,"instance":"0","pid":1073741823,"new":)"
        << is_new << "}";
    of(1).started("");
    EXPECT_EQ(all().at(0).crash_loop ? all()[0].crash_loop->starts : 0, starts);
  }
}

// Of version 0 are starts whose file didn't load.
TEST_F(RunFiles, OfTheCrashLoopsThatAStartTakesOverTheLongestGoesOn) {
  of(2).started("");
  of(0).failed(Status::stop(ExitCode::config, "refused"));
  of(0).failed(Status::stop(ExitCode::config, "refused"));
  ASSERT_THAT(all(), SizeIs(2));
  of(2).started("");
  ASSERT_THAT(all(), SizeIs(1));
  ASSERT_TRUE(all()[0].crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 2);
}

// The first reason of version 1 stood above what version 3 failed with.
TEST_F(RunFiles, ARaisedVersionIsPartOfNoCrashLoopBeforeIt) {
  of(1).failed(Status::stop(ExitCode::config, "the input has 6 partitions"));
  of(1).failed(Status::stop(ExitCode::config, "the input has 6 partitions"));
  RunFile second = of(2);
  second.started("");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_FALSE(all()[0].crash_loop);
  second.failed(Status::stop(ExitCode::config, "no such topic"));
  ASSERT_TRUE(all().at(0).crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 1);
  EXPECT_EQ(all()[0].crash_loop->first.reason, "no such topic");
}

TEST_F(RunFiles, AFailureOfAnEarlierProgramIsTheFirstOfItsCrashLoop) {
  fs::create_directories(state_ / "run");
  std::ofstream(state_ / "run" / "ingest-x.v1-0.json")
      << R"({"deployment":"ingest-x","version":1,"instance":"0","pid":1,)"
      << R"("failure":{"at":"2024-05-17T00:00:00Z","exit_code":70,"reason":"ahead"}})";
  of(1).failed(Status::stop(ExitCode::config, "refused"));
  ASSERT_TRUE(all().at(0).crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 2);
  EXPECT_EQ(all()[0].crash_loop->first.reason, "ahead");
}

TEST_F(RunFiles, AStartTakesThePlaceOfAnotherVersionThatFailedAndNotOfOneThatLives) {
  of(1).started("127.0.0.1:1");
  of(2).failed(Status::stop(ExitCode::config, "wrong"));
  of(2, "b").failed(Status::stop(ExitCode::config, "another instance"));
  std::ofstream(state_ / "run" / "ingest-x.v3-0.json")
      << R"({"deployment":"ingest-x","version":3,"instance":"0","pid":1073741823,"http":""})";
  ASSERT_THAT(all(), SizeIs(4));
  of(4).started("127.0.0.1:4");
  ASSERT_THAT(all(), SizeIs(4));
  EXPECT_EQ(all()[0].address, "127.0.0.1:1");
  EXPECT_EQ(all()[1].instance, "b");
  EXPECT_EQ(all()[2].version, 3) << "a replay beside it took the row of a live version that died";
  EXPECT_EQ(all()[3].address, "127.0.0.1:4");
  of(3).started("127.0.0.1:3");
  EXPECT_EQ(all()[2].address, "127.0.0.1:3");
}

// The live version was started anew: the replay's failure was gone, and counted with its own.
TEST_F(RunFiles, AStartLeavesTheFailureOfALaterVersionAlone) {
  of(3).failed(Status::stop(ExitCode::config, "topics missing"));
  RunFile live = of(1);
  live.started("127.0.0.1:1");
  ASSERT_THAT(all(), SizeIs(2));
  EXPECT_FALSE(all()[0].crash_loop);
  EXPECT_EQ(all()[1].failure->reason, "topics missing");
  of(3).started("");
  EXPECT_FALSE(all().at(1).failure);
}

TEST_F(RunFiles, WhatIsTypedToStartAVersionAgainNamesItUnlessItFailed) {
  of(3).started("");
  EXPECT_THAT(all()[0].command, ::testing::HasSubstr(" && WEIR__VERSION=3 "));
  of(3).failed(Status::stop(ExitCode::config, "raise version"));
  EXPECT_THAT(all()[0].command, ::testing::Not(::testing::HasSubstr("WEIR__VERSION")));
}

TEST_F(RunFiles, AProcessThatEndedAndThatNobodyWaitedForIsGone) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::_exit(0);
  }
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  const RunEntry entry{.deployment = "ingest-x",
                       .instance = "0",
                       .pid = child,
                       .seen = std::chrono::system_clock::now()};
  EXPECT_TRUE(entry.is_gone());
  ::waitpid(child, nullptr, 0);
}

TEST_F(RunFiles, AStartThatKnewNoVersionHidesNoneThatLivesAndGoesWithTheNext) {
  of(1).started("127.0.0.1:1");
  of(2).failed(Status::stop(ExitCode::disk, "full"));
  of(0).failed(Status::stop(ExitCode::config, "no YAML"));
  ASSERT_THAT(all(), SizeIs(2));
  EXPECT_EQ(all()[0].failure->reason, "no YAML");
  EXPECT_EQ(all()[1].address, "127.0.0.1:1");
  of(1).failed(Status::stop(ExitCode::config, "topic missing"));
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0].failure->reason, "topic missing");
}

// Who asks whether the lock is held is told so by the start itself.
TEST_F(RunFiles, AStartThatHoldsTheLockTakesThePlaceOfOneThatWasKilled) {
  fs::create_directories(state_ / "run");
  std::ofstream(state_ / "run" / "ingest-x.v1-0.json")
      << R"({"deployment":"ingest-x","version":1,"instance":"0","pid":1073741823,"new":true})";
  const auto lock = FileLock::acquire(state_ / "ingest-x" / "v1" / "0" / "lock");
  of(1).started("");
  ASSERT_TRUE(all().at(0).crash_loop);
  EXPECT_EQ(all()[0].crash_loop->starts, 1);
}

// Without the lock nobody knows whose the entry is; but a failure that is not written is none.
TEST_F(RunFiles, AFailureWithoutTheLockIsListedUnlessTheEntryIsOfOneThatLives) {
  of(1).failed_without_lock(Status::stop(ExitCode::disk, "first"));
  of(1).failed_without_lock(Status::stop(ExitCode::disk, "second"));
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0].failure->reason, "second");
  of(1).started("127.0.0.1:1");
  of(1).failed_without_lock(Status::stop(ExitCode::disk, "third"));
  of(1, "b").failed_without_lock(Status::stop(ExitCode::disk, "another instance"));
  ASSERT_THAT(all(), SizeIs(2));
  EXPECT_EQ(all()[0].address, "127.0.0.1:1");
  EXPECT_TRUE(all()[1].failure);
}

TEST_F(RunFiles, AFailureWithoutTheLockTakesThePlaceOfAnEntryThatFoundNoRoom) {
  const fs::path file = state_ / "run" / "ingest-x.v1-0.json.new";
  fs::create_directories(file.parent_path());
  std::ofstream(file).close();
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::seconds(2));
  ASSERT_TRUE(all().at(0).is_cut_short);
  of(1).failed_without_lock(Status::stop(ExitCode::disk, "full"));
  ASSERT_THAT(all(), SizeIs(1));
  ASSERT_TRUE(all()[0].failure);
  EXPECT_EQ(all()[0].failure->reason, "full");
}

// It left an empty file behind that nobody looked at.
TEST_F(RunFiles, AnEntryThatFoundNoRoomIsListedUntilTheNextStart) {
  const auto cut_short = [this](const std::string& name) {
    const fs::path file = state_ / "run" / (name + ".json.new");
    std::ofstream(file) << R"({"deployment": "ing)";
    const auto now = fs::file_time_type::clock::now();
    fs::last_write_time(file, now);
    EXPECT_FALSE(all().at(0).is_cut_short) << "it may be written right now";
    fs::last_write_time(file, now - std::chrono::minutes(1));
  };
  of(2).failed(Status::stop(ExitCode::config, "wrong"));
  cut_short("ingest-x.v2-0");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_TRUE(all()[0].is_cut_short);
  EXPECT_LT(all()[0].seen, std::chrono::system_clock::now() - std::chrono::seconds(50));
  of(2).started("");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_FALSE(all()[0].is_cut_short);

  cut_short("ingest-x.v13-a-b");
  ASSERT_THAT(all(), SizeIs(2));
  EXPECT_EQ(all()[1].deployment, "ingest-x");
  EXPECT_EQ(all()[1].version, 13);
  EXPECT_EQ(all()[1].instance, "a-b");
  EXPECT_TRUE(all()[1].is_cut_short);
  of(13, "a-b").ended_well();
  EXPECT_THAT(all(), SizeIs(1));
}

// It was unknown for as long as it lived, whatever room came.
TEST_F(RunFiles, AFullDiskLeavesTheSignOfItUntilThereIsRoom) {
  fs::create_directories(state_ / "run");
  if (!mount_small_disk(state_ / "run", "8k")) {
    GTEST_SKIP() << "no right to mount a disk";
  }
  of(1).started("");
  std::ofstream(state_ / "run" / "full") << std::string(10'000, 'x');
  RunFile late = of(1, "b");
  EXPECT_FALSE(late.started("127.0.0.1:9"));
  const std::vector<RunEntry> at_start = all();
  late.alive(true);
  const std::vector<RunEntry> later = all();
  fs::remove(state_ / "run" / "full");
  late.alive(true);
  const std::vector<RunEntry> with_room = all();
  EXPECT_EQ(::umount2((state_ / "run").c_str(), MNT_DETACH), 0);
  ASSERT_THAT(at_start, SizeIs(2));
  EXPECT_TRUE(at_start[1].is_cut_short);
  ASSERT_THAT(later, SizeIs(2));
  EXPECT_TRUE(later[1].is_cut_short);
  ASSERT_THAT(with_room, SizeIs(2));
  EXPECT_FALSE(with_room[1].is_cut_short);
  EXPECT_EQ(with_room[1].address, "127.0.0.1:9");
}

TEST_F(RunFiles, AProcessLearnsThatOthersCanNotSeeIt) {
  fs::create_directories(state_);
  std::ofstream(state_ / "run") << "no folder";
  EXPECT_FALSE(of(1).started(""));
  fs::remove(state_ / "run");
  EXPECT_TRUE(of(1).started(""));
}

}  // namespace
}  // namespace weir
