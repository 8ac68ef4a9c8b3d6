#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/run_file.h"
#include "http/status_page.h"
#include "state/file_lock.h"
#include "testing/small_disk.h"
#include "tool/verbs.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

class StatusVerb : public testing::Test {
 protected:
  StatusVerb() { fs::create_directories(state_ / "run"); }

  void TearDown() override { fs::remove_all(state_); }

  // The file, seen now.
  fs::path add_run_file(const std::string& name, long pid, const std::string& http) const {
    fs::path file = state_ / "run" / (name + ".v7-0.json");
    std::ofstream(file) << fmt::format(
        R"({{"deployment":"{}","version":7,"instance":"0","pid":{},"http":"{}"}})", name, pid,
        http);
    return file;
  }

  // Exit code; what it printed is in answer_, and on standard error in verdict_.
  int status(std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"weir", "status", "--state", state_.string()});
    std::vector<char*> raw;
    for (std::string& word : words) {
      raw.push_back(word.data());
    }
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = tool_main(static_cast<int>(raw.size()), raw.data());
    std::fflush(stdout);
    answer_ = testing::internal::GetCapturedStdout();
    verdict_ = testing::internal::GetCapturedStderr();
    return code;
  }

  static std::unique_ptr<Endpoint> serve(ProcessState state) {
    PartitionStatus partition;
    partition.lag_records = 1200;
    partition.lag_seconds = 2.5;
    return serve(state, {partition, partition});
  }

  static std::unique_ptr<Endpoint> serve(ProcessState state,
                                         std::vector<PartitionStatus> partitions,
                                         const DeadLetterStatus& dead_letters = {},
                                         const std::string& bootstrap = "kafka:9092") {
    ProcessStatus status;
    status.deployment = "ingest-x";
    status.version = 3;
    status.bootstrap = bootstrap;
    status.state = state;
    status.ready = state == ProcessState::running;
    status.dead_letters = dead_letters;
    if (!status.ready) {
      status.reasons = {"lane 0: the broker is away"};
    }
    status.lanes.push_back({0, "running", std::move(partitions), "", {}});
    auto endpoint =
        Endpoint::start({}, {{"/status.json", [status] { return status_document(status); }}});
    EXPECT_TRUE(endpoint.is_ok());
    return std::move(endpoint).value();
  }

  static std::string address_of(const Endpoint& endpoint) {
    return fmt::format("127.0.0.1:{}", endpoint.port());
  }

  std::string answer_;
  std::string verdict_;
  const fs::path state_ = fs::path(testing::TempDir()) / fmt::format("status-{}", ::getpid());
};

TEST_F(StatusVerb, TellsStateReadinessAndLag) {
  const auto endpoint = serve(ProcessState::running);
  add_run_file("ingest-x", ::getpid(), address_of(*endpoint));
  EXPECT_EQ(status(), 0);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +3 +0 +[0-9]+ +running +yes +1 +2,400 +2.5 "));
}

TEST_F(StatusVerb, ALagThatIsNotKnownOfEveryPartitionIsNone) {
  PartitionStatus known;
  known.lag_records = 0;
  known.lag_seconds = 0.0;
  for (const auto& [partitions, shown] :
       {std::pair<std::vector<PartitionStatus>, std::string>{{}, "- +-"},
        {{known, PartitionStatus()}, "- +-"},
        {{known, known}, "0 +0.0"}}) {
    const auto endpoint = serve(ProcessState::running, partitions);
    EXPECT_EQ(status({"--at", address_of(*endpoint)}), 0);
    EXPECT_THAT(answer_, ContainsRegex("running +yes +1 +" + shown + " "));
  }
}

// It was ready, ran, and stood still; nothing said why.
TEST_F(StatusVerb, AnotherProducersOpenTransactionIsNamedWhereItHidesTheInput) {
  const auto at = [](int seconds) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'715'904'000 + seconds));
  };
  PartitionStatus free;
  PartitionStatus blocked;
  blocked.topic = "raw.x";
  blocked.partition = Partition(3);
  blocked.blocked_since = at(60);
  PartitionStatus first = blocked;
  first.partition = Partition(7);
  first.blocked_since = at(0);
  EXPECT_EQ(status({"--at", address_of(*serve(ProcessState::running, {free}))}), 0);
  EXPECT_THAT(answer_, Not(HasSubstr("blocked")));
  const auto one = serve(ProcessState::running, {free, blocked});
  EXPECT_EQ(status({"--at", address_of(*one)}), 0);
  EXPECT_THAT(
      answer_,
      AllOf(HasSubstr("\n  blocked since 2024-05-17T00:01:00Z: raw.x/3 can be read up to"),
            HasSubstr("kafka-transactions.sh --bootstrap-server kafka:9092 "
                      "describe-producers --topic raw.x --partition 3\n  of these it is the one "
                      "with a transaction start offset, whose name is in: "
                      "kafka-transactions.sh --bootstrap-server kafka:9092 list\n")));
  const auto two = serve(ProcessState::running, {blocked, first});
  EXPECT_EQ(status({"--at", address_of(*two)}), 0);
  EXPECT_THAT(answer_,
              AllOf(HasSubstr("\n  blocked since 2024-05-17T00:00:00Z: raw.x/3 and 1 more can"),
                    HasSubstr("--topic raw.x --partition 7\n")));
}

TEST_F(StatusVerb, DeadLettersHaveTheCommandThatShowsThem) {
  const auto none = serve(ProcessState::running, {}, {0, "", "ingest-x.dead_letters.v3"});
  const auto at = [](int seconds) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'715'904'000 + seconds));
  };
  const auto some = serve(ProcessState::running, {},
                          {1234, "bad", "ingest-x.dead_letters.v3", 5678, at(0), at(60)});
  EXPECT_EQ(status({"--at", address_of(*none)}), 0);
  EXPECT_THAT(answer_, Not(HasSubstr("dead")));
  EXPECT_EQ(status({"--at", address_of(*some)}), 0);
  EXPECT_THAT(
      answer_,
      HasSubstr("\n  dead letters since its start: 1,234 of 5,678 records, first "
                "2024-05-17T00:00:00Z, last 2024-05-17T00:01:00Z, most often bad; to see them: "
                "ops/weir tap ingest-x.dead_letters.v3 --bootstrap kafka:9092 --until-end\n"));
}

TEST_F(StatusVerb, WhatIsNotReadyIsNoSuccessAndItsReasonStandsBelowIt) {
  const auto ready = serve(ProcessState::running);
  const auto waits = serve(ProcessState::waiting);
  EXPECT_EQ(status({"--at", address_of(*ready), "--at", address_of(*waits)}), 1);
  EXPECT_THAT(answer_, ContainsRegex("waiting +no .*\n  lane 0: the broker is away\n"));
  EXPECT_EQ(verdict_, fmt::format("1 of 2 not ready: {}\n", address_of(*waits)));
  EXPECT_EQ(status({"--at", address_of(*waits), "--output", "json"}), 1);
  EXPECT_THAT(answer_, HasSubstr(R"("ready": false, "reasons": ["lane 0: the broker is away"])"));
}

TEST_F(StatusVerb, AProcessWithoutAnEndpointIsReadyWhileItLives) {
  add_run_file("ingest-x", ::getpid(), "");
  EXPECT_EQ(status(), 0);
  EXPECT_THAT(answer_, HasSubstr(" no endpoint "));
}

// In a container every stage has the pid 1, and where the port is fixed its successor answers.
TEST_F(StatusVerb, AProcessWhoseNumberAndPortAnotherHasIsGoneAndThatOneIsNotAskedForIt) {
  const auto endpoint = serve(ProcessState::running);
  for (const std::string& http : {address_of(*endpoint), std::string()}) {
    const fs::path file = add_run_file("ingest-x", ::getpid(), http);
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
    EXPECT_EQ(status(), 1);
    EXPECT_THAT(answer_, ContainsRegex("ingest-x +7 +0 +[0-9]+ +gone "));
  }
}

// Typed without them it showed what another cluster's topic of that name holds.
TEST_F(StatusVerb, TheCommandThatShowsDeadLettersNamesTheBrokersOrTheVariablesTheProcessHad) {
  for (const auto& [bootstrap, command] :
       {std::pair<std::string, std::string>{"",
                                            " --until-end   # with WEIR_BOOTSTRAP set as before"},
        {"kafka:9092", " --bootstrap kafka:9092 --until-end"}}) {
    const auto some =
        serve(ProcessState::running, {}, {1, "bad", "ingest-x.dead_letters.v7"}, bootstrap);
    std::ofstream(state_ / "run" / "ingest-x.v7-b.json")
        << R"({"deployment": "ingest-x", "version": 7, "instance": "b", "pid": )" << ::getpid()
        << R"(, "http": ")" << address_of(*some) << R"(", "variables": ["WEIR_BOOTSTRAP"]})";
    status();
    EXPECT_THAT(answer_, HasSubstr(command + "\n"));
  }
}

TEST_F(StatusVerb, AProcessThatWasKilledIsGoneSinceItWasLastSeenAndSaysHowItIsStartedAgain) {
  const fs::path file = state_ / "run" / "ingest-x.v7-b.json";
  std::ofstream(file) << R"({"deployment": "ingest-x", "version": 7, "instance": "b",)"
                         R"("pid": 1073741823, "http": "127.0.0.1:1",)"
                         R"("command": "cd /srv && ingest run x.yaml",)"
                         R"("variables": ["WEIR__INSTANCE", "WHO"]})";
  fs::last_write_time(file, std::chrono::file_clock::from_sys(
                                std::chrono::sys_seconds(std::chrono::seconds(1'715'904'000))));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +7 +b +1073741823 +gone "));
  EXPECT_THAT(answer_, HasSubstr("last seen alive at 2024-05-17T00:00:00Z\n"
                                 "  start it again: cd /srv && ingest run x.yaml"
                                 "   # with WEIR__INSTANCE, WHO set as before\n"));
  EXPECT_EQ(verdict_, "1 of 1 not ready: ingest-x v7 b\n");
}

// What started it would only be refused.
TEST_F(StatusVerb, AProcessThatHoldsItsLockIsSilentAndNotGoneAndIsLetGoOnOrEnded) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = FileLock::acquire(state_ / "ingest-x" / "v7" / "0" / "lock");
    ::raise(SIGSTOP);
    while (lock.is_ok()) {
      ::pause();
    }
    ::_exit(1);
  }
  ASSERT_EQ(::waitpid(child, nullptr, WUNTRACED), child);
  const fs::path file = add_run_file("ingest-x", child, "127.0.0.1:1");
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +7 +0 +[0-9]+ +silent "));
  EXPECT_THAT(answer_, ContainsRegex(fmt::format(
                           "\n  silent; it was last seen alive at 20.*, and the lock .*/lock is "
                           "held by process {0} on .*: it is stopped\n"
                           "  let it go on: kill -CONT {0}; or end it, and its next start repeats "
                           "the open turn: kill -9 {0}\n",
                           child)));

  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, nullptr, WCONTINUED), child);
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, HasSubstr(" no answer ")) << "it may be slow";
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_,
              AllOf(HasSubstr(" silent "), HasSubstr(": it hangs, most likely\n  end it, and ")));

  add_run_file("ingest-x", 1, "");
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, AllOf(HasSubstr(" silent "), Not(HasSubstr("kill"))))
      << "that pid is another's";

  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, HasSubstr(" gone "));
}

TEST_F(StatusVerb, ARunFileOfAnEarlierVersionIsReadAsFarAsItGoes) {
  add_run_file("ingest-x", 0x3fffffff, "127.0.0.1:1");
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +7 +0 +1073741823 +gone "));
  EXPECT_THAT(answer_, Not(HasSubstr("start it again")));
}

TEST_F(StatusVerb, AProcessThatEndedItselfSaysWhenAndWhy) {
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.version = 3;
  deployment.instance = "b";
  deployment.state = state_.string();
  RunFile(deployment).failed(Status::stop(ExitCode::config, "topic a is missing\ntopic b too"));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +3 +b +[0-9]+ +failed "));
  EXPECT_THAT(
      answer_,
      ContainsRegex("\n  ended at 20[-0-9T:]+Z with 78: topic a is missing\n  topic b too\n"));
  EXPECT_EQ(status({"--output", "json"}), 1);
  EXPECT_THAT(answer_, AllOf(HasSubstr(R"("exit_code": 78)"),
                             HasSubstr(R"("reason": "topic a is missing\ntopic b too")")));
}

TEST_F(StatusVerb, ACrashLoopIsToldWithItsBeginningAndItsFirstReasonWhereThatIsAnother) {
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.instance = "b";
  deployment.state = state_.string();
  const Status refused = Status::stop(ExitCode::config, "refused\nwholly");
  RunFile(deployment).failed(refused);
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, Not(HasSubstr("failing")));
  RunFile second(deployment);
  second.started("");
  EXPECT_EQ(status(), 0) << "one failure is no loop";
  EXPECT_THAT(answer_, ContainsRegex("\n  failing since 20[-0-9T:]+Z, 1 start in a row; this one "
                                     "hasn't been ready for 60 s yet\n"));
  second.failed(refused);
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("\n  failing since 20[-0-9T:]+Z, 2 starts in a row\n"
                                     "  ended at 20[-0-9T:]+Z with 78: refused\n  wholly\n"));
  RunFile(deployment).failed(Status::stop(ExitCode::unavailable, "silent"));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("\n  failing since 20[-0-9T:]+Z, 3 starts in a row\n"
                                     "  the first ended at 20[-0-9T:]+Z with 78: refused\n"
                                     "  wholly\n"
                                     "  ended at 20[-0-9T:]+Z with 69: silent\n"));
  EXPECT_EQ(status({"--output", "json"}), 1);
  EXPECT_THAT(answer_,
              ContainsRegex(R"("crash_loop": \{"starts": 3, "first": \{.*"exit_code": 78.*)"
                            R"("last": \{.*"reason": "silent")"));
  RunFile next(deployment);
  next.started("");
  EXPECT_EQ(status(), 1) << "a look once a minute might find it in a good moment each time";
  EXPECT_THAT(
      answer_,
      ContainsRegex("\n  failing since 20[-0-9T:]+Z, 3 starts in a row; this one hasn't been ready "
                    "for 60 s yet\n  the first ended at 20[-0-9T:]+Z with 78: refused\n  wholly\n"
                    "  the one before ended at 20[-0-9T:]+Z with 69: silent\n"));
}

// For some it can't help: it would end like the last.
TEST_F(StatusVerb, AFailureIsToBeMendedBeforeTheNextStartAndSilenceNot) {
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.state = state_.string();
  for (const auto& [code, said] : {std::pair<ExitCode, std::string>{
                                       ExitCode::config, "  when that is mended, start it again: "},
                                   {ExitCode::temporary, "  when that is mended, start it again: "},
                                   {ExitCode::unavailable, "\n  start it again: "}}) {
    RunFile(deployment).failed(Status::stop(code, "why"));
    EXPECT_EQ(status(), 1);
    EXPECT_THAT(answer_, HasSubstr(said));
  }
}

// The YAML was raised as the failure said, and the command beat it with the version of before.
TEST_F(StatusVerb, AFailureMayBeMendedByAVersionThatTheEnvironmentBeat) {
  const fs::path file = state_ / "run" / "ingest-x.v7-b.json";
  for (const auto& [variables, said] :
       {std::pair<std::string, std::string>{
            R"("WEIR__VERSION")", "x.yaml   # WEIR__VERSION beat the YAML's `version:`; not where"},
        {R"("WEIR__VERSION", "WHO")", "x.yaml   # with WHO set as before; WEIR__VERSION beat"}}) {
    std::ofstream(file) << fmt::format(
        R"({{"deployment": "ingest-x", "version": 7, "instance": "b",)"
        R"("failure": {{"at": "2024-05-17T00:00:00Z", "exit_code": 65, "reason": "why"}},)"
        R"("command": "ingest run x.yaml", "variables": [{}]}})",
        variables);
    EXPECT_EQ(status(), 1);
    EXPECT_THAT(answer_, HasSubstr("start it again: ingest run " + said));
  }
}

// Started again, it was refused for the lock that the other one has.
TEST_F(StatusVerb, AStartThatFailedBesideTheOneThatRunsIsNotSimplyStartedAgain) {
  const auto endpoint = serve(ProcessState::running);
  add_run_file("ingest-x", ::getpid(), address_of(*endpoint));
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.version = 0;
  deployment.instance = "0";
  deployment.state = state_.string();
  RunFile(deployment).failed_without_lock(Status::stop(ExitCode::config, "why"));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_,
              AllOf(HasSubstr(fmt::format("runs as this instance (version 3, pid {}): when "
                                          "that is mended, end that one first",
                                          ::getpid())),
                    Not(HasSubstr("start it again"))));
}

TEST_F(StatusVerb, AProcessWhoseEntryFoundNoRoomIsNotWell) {
  const fs::path file = state_ / "run" / "ingest-x.v7-b.json.new";
  std::ofstream(file).close();
  fs::last_write_time(file, std::chrono::file_clock::from_sys(
                                std::chrono::sys_seconds(std::chrono::seconds(1'715'904'000))));
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(answer_, ContainsRegex("ingest-x +7 +b +unknown "));
  EXPECT_THAT(answer_, HasSubstr("\n  couldn't write its entry at 2024-05-17T00:00:00Z: disk full? "
                                 "See its log\n"));
}

TEST_F(StatusVerb, AProcessThatFailedOrIsSilentIsNotWell) {
  const auto endpoint = serve(ProcessState::failed);
  EXPECT_EQ(status({"--at", address_of(*endpoint)}), 1);
  EXPECT_THAT(answer_, HasSubstr("failed"));
  EXPECT_EQ(status({"--at", "127.0.0.1:1"}), 1);
  EXPECT_THAT(answer_, AllOf(HasSubstr("no answer"), HasSubstr("  127.0.0.1:1 doesn't answer\n")));
  EXPECT_EQ(verdict_, "1 of 1 not ready: 127.0.0.1:1\n");
}

TEST_F(StatusVerb, AnEndpointIsAskedByItsAddress) {
  const auto endpoint = serve(ProcessState::running);
  EXPECT_EQ(status({"--at", address_of(*endpoint), "--output", "json"}), 0);
  EXPECT_THAT(answer_, AllOf(HasSubstr(R"("deployment": "ingest-x")"), HasSubstr(R"("status": {)"),
                             HasSubstr(R"("lag_records": 1200)")));
}

TEST_F(StatusVerb, NoProcessIsNoFailure) {
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(answer_, "");
}

TEST_F(StatusVerb, ADiskThatIsNearlyFullIsSaid) {
  if (!mount_small_disk(state_, "1m")) {
    GTEST_SKIP() << "no right to mount a disk";
  }
  fs::create_directories(state_ / "run");
  const int with_room = status();
  const std::string said_with_room = verdict_;
  std::ofstream(state_ / "full") << std::string(1'000'000, 'x');
  const int without = status();
  EXPECT_EQ(::umount2(state_.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(with_room, 0);
  EXPECT_THAT(said_with_room, Not(HasSubstr("full")));
  EXPECT_EQ(without, 0);
  EXPECT_THAT(verdict_, HasSubstr("is nearly full, 0 MiB of 1 MiB are free"));
}

TEST_F(StatusVerb, APlaceWhereNoStageRanTellsNothing) {
  fs::remove_all(state_ / "run");
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(verdict_, AllOf(HasSubstr("run: No such file"), HasSubstr("--state")));
  EXPECT_EQ(status({"--output", "json"}), 1);
  EXPECT_EQ(answer_, "[]\n");
}

}  // namespace
}  // namespace weir
