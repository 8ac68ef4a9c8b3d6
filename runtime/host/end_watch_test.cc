#include "host/end_watch.h"

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim_kafka.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr seconds kSilenceMax{60};

class EndWatchTest : public ::testing::Test {
 protected:
  EndWatchTest() {
    kafka_.create_topic("in", {.partitions = 1});
    SimRecord record;
    record.value = "a";
    record.timestamp = Timestamp(1000);
    kafka_.append("in", 0, std::move(record));
    ::testing::internal::CaptureStderr();
  }

  ~EndWatchTest() override { static_cast<void>(::testing::internal::GetCapturedStderr()); }

  EndWatch watch(const SimFaults& faults = {}) {
    const auto has_looked = std::make_shared<bool>(false);
    InputEnds ends({"in"}, 0, std::nullopt,
                   kafka_.source("g", {"in"}, [has_looked, faults](std::string_view operation) {
                     return *has_looked && faults ? faults(operation) : Status::ok();
                   }));
    EXPECT_TRUE(ends.look().is_ok());
    *has_looked = true;
    return {std::move(ends), kSilenceMax, metrics_, log_};
  }

  static EndWatch::Time at(int second) { return EndWatch::Time(seconds(100 + second)); }

  // What one look comes to that begins and ends then.
  static Result<bool> look(EndWatch& watch, int begin, int end, bool are_at_end = true) {
    EXPECT_FALSE(watch.is_done(at(begin), true).value());
    EXPECT_TRUE(watch.is_looking());
    Result<bool> done = false;
    while (watch.is_looking()) {
      std::this_thread::yield();
      done = watch.is_done(at(end), are_at_end);
    }
    return done;
  }

  static std::string said() {
    std::string said = ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
    return said;
  }

  SimKafka kafka_;
  const Metrics metrics_{{.deployment = "d", .version = 1}};
  const Log log_{"d", config::LogLevel::info};
  Status answer_ = Status::retry("silence");
};

// A process that waits for an answer is deaf to a second signal.
TEST_F(EndWatchTest, NobodyWaitsForALook) {
  std::latch asked(1);
  std::latch may_answer(1);
  EndWatch watch = this->watch([&](std::string_view operation) {
    if (operation == "committed") {
      asked.count_down();
      may_answer.wait();
    }
    return Status::ok();
  });
  EXPECT_FALSE(watch.is_done(at(0), true).value());
  asked.wait();
  EXPECT_FALSE(watch.is_done(at(1), true).value());
  watch.stop();
  may_answer.count_down();
}

TEST_F(EndWatchTest, ItIsDoneOnceTheGroupCommittedAllAndNotBeforeTheLanesAreAtTheirEnds) {
  kafka_.set_committed("g", "in", 0, NextOffset(0), "");
  int asked = 0;
  EndWatch watch = this->watch([&](std::string_view operation) {
    asked += operation == "committed" ? 1 : 0;
    return Status::ok();
  });
  EXPECT_FALSE(watch.is_done(at(0), false).value());
  EXPECT_FALSE(watch.is_looking());
  EXPECT_FALSE(look(watch, 1, 1).value());
  EXPECT_FALSE(watch.is_done(at(2) - milliseconds(1), true).value());
  EXPECT_FALSE(watch.is_looking()) << "sooner than a second after the last one";
  kafka_.set_committed("g", "in", 0, NextOffset(1), "");
  EXPECT_TRUE(look(watch, 2, 2).value());
  EXPECT_EQ(asked, 2);
}

TEST_F(EndWatchTest, WhatIsUndoneIsNamedOnceAndNotAtTheFirstLook) {
  kafka_.set_committed("g", "in", 0, NextOffset(0), "");
  EndWatch watch = this->watch();
  EXPECT_FALSE(look(watch, 0, 0).value());
  EXPECT_EQ(said(), "");
  EXPECT_FALSE(look(watch, 1, 1).value());
  EXPECT_THAT(said(), HasSubstr("in/0"));
  EXPECT_FALSE(look(watch, 2, 2).value());
  EXPECT_EQ(said(), "");
}

// A run whose question nobody answered went on for ever, without a word.
TEST_F(EndWatchTest, ASilenceIsSaidWhenItBeginsAndIsTheOutcomeWhenItLastsForLonger) {
  EndWatch watch = this->watch([&](std::string_view) { return answer_; });
  EXPECT_FALSE(look(watch, 0, 5).value());
  EXPECT_THAT(said(), HasSubstr(R"("level":"warning")"));
  EXPECT_FALSE(look(watch, 6, 60).value());
  EXPECT_EQ(said(), "") << "once";
  const Result<bool> failed = look(watch, 61, 61);
  ASSERT_FALSE(failed.is_ok()) << "it began with the first look, not with its answer";
  EXPECT_EQ(failed.status().exit_code(), ExitCode::unavailable);
  EXPECT_THAT(failed.status().message(), HasSubstr("silence"));
}

TEST_F(EndWatchTest, AnAnswerEndsASilence) {
  kafka_.set_committed("g", "in", 0, NextOffset(0), "");
  EndWatch watch = this->watch([&](std::string_view) { return answer_; });
  EXPECT_FALSE(look(watch, 0, 50).value());
  answer_ = Status::ok();
  EXPECT_FALSE(look(watch, 51, 52).value());
  EXPECT_THAT(said(), HasSubstr("say again"));
  answer_ = Status::retry("silence");
  EXPECT_FALSE(look(watch, 53, 66).value());
  EXPECT_THAT(said(), HasSubstr(R"("level":"warning")"));
}

// What came from another member keeps them at work for long.
TEST_F(EndWatchTest, LanesThatAreAtWorkAreNotEndedAndTheirTimeIsNoSilence) {
  EndWatch watch = this->watch([&](std::string_view) { return answer_; });
  EXPECT_FALSE(look(watch, 0, 70, false).value());
  EXPECT_FALSE(look(watch, 500, 505).value());
  EXPECT_FALSE(look(watch, 506, 511).value());
}

TEST_F(EndWatchTest, RecordsThatGoOnComingDoNotHideASilence) {
  EndWatch watch = this->watch([&](std::string_view) { return answer_; });
  EXPECT_FALSE(look(watch, 0, 5).value());
  for (int second = 6; second < 55; second += 8) {
    EXPECT_FALSE(look(watch, second, second + 5, false).value());
  }
  EXPECT_FALSE(look(watch, 61, 66).is_ok());
}

TEST_F(EndWatchTest, WhatOnlyAPersonCanMendIsTheOutcomeAtOnce) {
  EndWatch watch =
      this->watch([](std::string_view) { return Status::stop(ExitCode::unauthorised, "refused"); });
  EXPECT_TRUE(look(watch, 0, 0, false).is_ok()) << "lanes at work meet it themselves";
  EXPECT_EQ(look(watch, 1, 1).status().exit_code(), ExitCode::unauthorised);
}

// One that was told to end in the moment in which all was done was taken for one that wasn't.
TEST_F(EndWatchTest, WhatIsDoneAtLastIsAskedOfTheGroup) {
  EndWatch watch = this->watch([&](std::string_view) { return answer_; });
  kafka_.set_committed("g", "in", 0, NextOffset(1), "");
  watch.stop();
  EXPECT_FALSE(watch.is_done_at_last().value()) << "nobody knows";
  answer_ = Status::ok();
  EXPECT_TRUE(watch.is_done_at_last().value());
  kafka_.set_committed("g", "in", 0, NextOffset(0), "");
  EXPECT_FALSE(watch.is_done_at_last().value());
  answer_ = Status::stop(ExitCode::unauthorised, "refused");
  EXPECT_EQ(watch.is_done_at_last().status().exit_code(), ExitCode::unauthorised);
}

TEST_F(EndWatchTest, WhatIsDoneAtLastIsAskedBehindTheLookThatIsUnderWay) {
  std::atomic<int> asked = 0;
  std::latch may_answer(1);
  EndWatch watch = this->watch([&](std::string_view) {
    ++asked;
    may_answer.wait();
    return Status::ok();
  });
  kafka_.set_committed("g", "in", 0, NextOffset(1), "");
  EXPECT_FALSE(watch.is_done(at(0), true).value());
  auto done = std::async(std::launch::async, [&] { return watch.is_done_at_last(); });
  EXPECT_EQ(done.wait_for(milliseconds(100)), std::future_status::timeout);
  EXPECT_LE(asked, 1);
  may_answer.count_down();
  EXPECT_TRUE(done.get().value());
}

TEST_F(EndWatchTest, WhoIsToldToEndLooksNoMore) {
  int asked = 0;
  EndWatch watch = this->watch([&](std::string_view) {
    ++asked;
    return Status::ok();
  });
  watch.stop();
  EXPECT_FALSE(watch.is_done(at(0), true).value());
  EXPECT_FALSE(watch.is_looking());
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace weir
