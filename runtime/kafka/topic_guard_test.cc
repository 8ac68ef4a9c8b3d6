#include "kafka/topic_guard.h"

#include <chrono>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "kafka/client.h"
#include "kafka/fake_broker_case.h"
#include "kafka/mock_case.h"
#include "kafka/protocol_bytes.h"

namespace weir {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr auto kId = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
constexpr auto kPrintedId = "AAECAwQFBgcICQoLDA0ODw";

// One broker, one topic "t", id 00 01 … 0f, as version 12 lays it out.
std::string good_answer(const std::string& topic = "t", const std::string& error = "\0\0"s,
                        const std::string& id = std::string(kId, 16)) {
  return "\0\0\0\1"s          // correlation id
         "\0"s                // tags
         "\0\0\0\0"s          // throttle
         "\2"s                // one broker
         "\0\0\0\1\4abc"s     // id, host
         "\0\0\x23\x84\0\0"s  // port, rack null, tags
         "\5clus"s            // cluster id
         "\0\0\0\1"s          // controller
         "\2"s +              // one topic
         error +
         static_cast<char>(topic.size() + 1) + topic + id + "\0\1\0\0\0\0\0\0"s;
}

TEST(TopicGuard, ReadsTheIdAsKafkasToolsPrintIt) {
  const auto id = parse_topic_id(good_answer(), "t");
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().cluster_id, "clus");
  // Python: base64.urlsafe_b64encode(bytes(range(16)))
  EXPECT_EQ(id.value().topic_id, kPrintedId);
}

TEST(TopicGuard, AnotherTopicsAnswerOrToAnotherQuestionIsNone) {
  EXPECT_EQ(parse_topic_id(good_answer("u"), "t").status().remedy(), Remedy::retry);
  std::string other_question = good_answer();
  other_question[3] = 2;
  EXPECT_EQ(parse_topic_id(other_question, "t").status().remedy(), Remedy::retry);
}

TEST(TopicGuard, ACutOrChangedAnswerNeverCrashesAndACutOneNeverPasses) {
  const std::string good = good_answer();
  const std::size_t id_end = good.find("\x0e\x0f") + 2;
  for (std::size_t size = 0; size < id_end; ++size) {
    EXPECT_FALSE(parse_topic_id(good.substr(0, size), "t").is_ok()) << size;
  }
  std::minstd_rand random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = good;
    for (int n = 0; n < 3; ++n) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    static_cast<void>(parse_topic_id(changed, "t"));
  }
}

TEST(ProtocolReader, ReadsNothingBehindWhatDoesNotFit) {
  for (const std::string& bytes : {std::string(10, '\xff'), "\x7f"s}) {
    ProtocolReader reader(bytes);
    EXPECT_EQ(reader.text(), "");
    EXPECT_TRUE(reader.has_failed());
    EXPECT_EQ(reader.number(1), 0);
  }
  const std::string too_long = std::string(10, '\xff') + "more";
  ProtocolReader reader(too_long);
  EXPECT_EQ(reader.varint(), 0);
  EXPECT_EQ(reader.take(1), "");
}

TEST(TopicGuard, HugeCountsAreRefusedAtOnce) {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  EXPECT_FALSE(parse_topic_id("\0\0\0\1\0\0\0\0\0"s + huge, "t").is_ok());
  EXPECT_FALSE(parse_topic_id("\0\0\0\1"s + huge, "t").is_ok());
  EXPECT_FALSE(parse_topic_id("\0\0\0\1\0\0\0\0\0\1"s + huge, "t").is_ok());
}

Result<TopicId> ask(const std::string& bootstrap) {
  ClusterSettings cluster;
  cluster.bootstrap = bootstrap;
  cluster.request_wait_max = std::chrono::milliseconds(2000);
  return TopicGuard(cluster).topic_id("t");
}

TEST(TopicGuard, AsksTheNextAddressWhenOneIsSilent) {
  FakeBroker broker({frame_of(good_answer())});
  const auto id = ask("127.0.0.1:1," + broker.address());
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().cluster_id, "clus");
}

// As each is for a moment after the topic was created, and one that lost the controller for longer.
TEST(TopicGuard, ABrokerThatHasNotHeardOfTheTopicYetStopsNothing) {
  const std::string unknown = frame_of(good_answer("t", "\0\3"s, std::string(16, '\0')));
  FakeBroker behind({unknown});
  FakeBroker broker({frame_of(good_answer())});
  const auto id = ask(behind.address() + "," + broker.address());
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().topic_id, kPrintedId);
  EXPECT_EQ(ask(behind.address()).status().remedy(), Remedy::retry);
}

TEST(TopicGuard, ABrokerThatAnswersNonsenseIsTriedAgain) {
  for (const std::string& bytes : {"\x7f\xff\xff\xff"s + "x", "\xff\xff\xff\xff"s,
                                   "\0\0\0\x0a"s + "abc", "HTTP/1.1 400 Bad\r\n"s}) {
    FakeBroker broker({bytes});
    const auto id = ask(broker.address());
    ASSERT_FALSE(id.is_ok());
    EXPECT_EQ(id.status().remedy(), Remedy::retry);
  }
}

TEST(TopicGuard, AsksWhereTheClusterSaysItIsWhenTheBootstrapAddressesAreGone) {
  FakeBroker broker({frame_of(good_answer())});
  ClusterSettings cluster;
  cluster.bootstrap = "127.0.0.1:1";
  const auto id = TopicGuard(cluster).topic_id("t", {"127.0.0.1:2", broker.address()});
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().topic_id, kPrintedId);
}

TEST(TopicGuard, SilentAddressesLeaveTimeForTheNextAndTheOneThatAnswersIsTheFirstNextTime) {
  FakeBroker silent({}, FakeBroker::End::silence);
  FakeBroker silent_too({}, FakeBroker::End::silence);
  FakeBroker broker({frame_of(good_answer())});
  ClusterSettings cluster;
  cluster.bootstrap = silent.address() + ", " + silent_too.address() + "," + broker.address();
  cluster.request_wait_max = seconds(4);
  TopicGuard guard(cluster);
  ASSERT_TRUE(guard.topic_id("t").is_ok());
  FakeBroker silent_and_new({}, FakeBroker::End::silence);
  const auto began = steady_clock::now();
  ASSERT_TRUE(guard.topic_id("t", {silent_and_new.address()}).is_ok());
  EXPECT_LT(steady_clock::now() - began, cluster.request_wait_max / 2);
}

TEST(TopicGuard, TheOneThatWasSilentForLongIsTheLastNextTime) {
  FakeBroker first({}, FakeBroker::End::silence);
  FakeBroker second({}, FakeBroker::End::silence);
  FakeBroker third({}, FakeBroker::End::silence);
  ClusterSettings cluster;
  cluster.bootstrap = first.address() + "," + second.address() + "," + third.address();
  cluster.request_wait_max = milliseconds(400);
  TopicGuard guard(cluster);
  const auto comes_before = [&](const FakeBroker& one, const FakeBroker& other) {
    const std::string message = guard.topic_id("t").status().message();
    EXPECT_THAT(message, HasSubstr(other.address()));
    return message.find(one.address()) < message.find(other.address());
  };
  EXPECT_TRUE(comes_before(first, second));
  EXPECT_TRUE(comes_before(second, first));
}

TEST(TopicGuard, AnAddressThatIsNewComesBeforeThoseThatFailed) {
  FakeBroker first({}, FakeBroker::End::silence);
  FakeBroker second({}, FakeBroker::End::silence);
  FakeBroker third({}, FakeBroker::End::silence);
  FakeBroker broker({frame_of(good_answer())});
  ClusterSettings cluster;
  cluster.bootstrap = first.address() + "," + second.address() + "," + third.address();
  cluster.request_wait_max = seconds(2);
  TopicGuard guard(cluster);
  ASSERT_FALSE(guard.topic_id("t").is_ok());
  const auto began = steady_clock::now();
  ASSERT_TRUE(guard.topic_id("t", {broker.address()}).is_ok());
  EXPECT_LT(steady_clock::now() - began, cluster.request_wait_max * 3 / 4) << "behind one of them";
}

TEST(TopicGuard, AZeroIdIsUnknownAndThatIsSaidOnce) {
  FakeBroker broker({frame_of(good_answer("t", "\0\0"s, std::string(16, '\0')))});
  std::vector<std::string> said;
  ClusterSettings cluster;
  cluster.bootstrap = broker.address();
  cluster.log = [&](int, std::string_view message) { said.emplace_back(message); };
  TopicGuard guard(cluster);
  for (int i = 0; i < 2; ++i) {
    const auto id = guard.topic_id("t");
    ASSERT_TRUE(id.is_ok()) << id.status().message();
    EXPECT_EQ(id.value().topic_id, "");
  }
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("topic t")));
}

// The mock doesn't know the request, which shows in the message that it was asked.
TEST_F(MockCase, TheTopicGuardAsksTheBrokersThatTheClientNames) {
  const auto own = Client::make(RD_KAFKA_CONSUMER, cluster, {});
  ASSERT_TRUE(own.is_ok()) << own.status().message();
  ClusterSettings gone = cluster;
  gone.bootstrap = "127.0.0.1:1";
  const auto identity = TopicGuard(gone).identity(*own.value(), kTopic);
  ASSERT_FALSE(identity.is_ok());
  EXPECT_THAT(identity.status().message(), HasSubstr(cluster.bootstrap));
}

TEST(TopicGuard, WithoutABrokerItIsTriedAgain) {
  EXPECT_EQ(ask("127.0.0.1:1").status().remedy(), Remedy::retry);
  EXPECT_EQ(ask("no-such-host.invalid:1").status().remedy(), Remedy::retry);
  EXPECT_EQ(ask("").status().remedy(), Remedy::retry);
}

// Whatever a client of librdkafka's does alone.
TEST(TopicGuard, AClusterSpokenToInAnotherWayIsNotAsked) {
  ClusterSettings cluster;
  cluster.bootstrap = "127.0.0.1:1";
  cluster.properties = {{"security.protocol", "SASL_SSL"}, {"sasl.mechanisms", "OAUTHBEARER"}};
  EXPECT_FALSE(may_ask_topic_id(cluster));
  const auto id = TopicGuard(cluster).topic_id("t");
  ASSERT_TRUE(id.is_ok());
  EXPECT_EQ(id.value().topic_id, "");
}

class TopicGuardInTheEnd : public testing::TestWithParam<bool> {
 protected:
  TopicGuardInTheEnd() {
    if (GetParam()) {
      cluster_.properties = {{"security.protocol", "sasl_plaintext"},
                             {"sasl.mechanisms", "PLAIN"},
                             {"sasl.username", "ada"},
                             {"sasl.password", "secret"}};
    }
    cluster_.log = [this](int, std::string_view message) { said_.emplace_back(message); };
  }

  // What a broker says: the login, where there is one, then `answers`.
  static std::vector<std::string> answers(std::vector<std::string> answers) {
    if (GetParam()) {
      answers.insert(answers.begin(), {frame_of("\0\0\0\1\0\0\0\0\0\0"s),
                                       frame_of("\0\0\0\1\0\0\xff\xff\0\0\0\0"s)});
    }
    return answers;
  }

  void expect_unknown_from_the_third_on(TopicGuard& guard) {
    said_.clear();
    EXPECT_EQ(guard.topic_id("t").status().remedy(), Remedy::retry);
    EXPECT_EQ(guard.topic_id("u").status().remedy(), Remedy::retry);
    EXPECT_THAT(said_, testing::IsEmpty());
    for (int i = 0; i < 3; ++i) {
      const auto unknown = guard.topic_id("t");
      ASSERT_TRUE(unknown.is_ok()) << unknown.status().message();
      EXPECT_EQ(unknown.value().topic_id, "");
    }
    ASSERT_THAT(said_, testing::SizeIs(1));
    EXPECT_THAT(said_[0], HasSubstr("asking for the id of topic t: "));
    EXPECT_THAT(said_[0], HasSubstr(cluster_.bootstrap));
    EXPECT_THAT(said_[0], testing::Not(HasSubstr("secret")));
  }

  ClusterSettings cluster_;
  std::vector<std::string> said_;
};

INSTANTIATE_TEST_SUITE_P(InPlainTextAndOverSasl, TopicGuardInTheEnd, testing::Bool());

TEST_P(TopicGuardInTheEnd, AnIdThatIsRefusedIsUnknownAndThatIsSaidOnce) {
  for (const std::vector<std::string>& refusal :
       {std::vector{frame_of("\0\0\0\1\0\x21\0\0\0\0"s)},  // no such mechanism
        answers({}),                                       // too old for the question
        answers({frame_of("\0\0\0\1nonsense"s)})}) {
    FakeBroker broker(refusal);
    cluster_.bootstrap = broker.address();
    TopicGuard guard(cluster_);
    expect_unknown_from_the_third_on(guard);
  }
}

TEST_P(TopicGuardInTheEnd, AnIdThatNobodyIsThereToTellIsUnknown) {
  cluster_.bootstrap = "127.0.0.1:1";
  TopicGuard guard(cluster_);
  expect_unknown_from_the_third_on(guard);
  EXPECT_THAT(said_[0], HasSubstr("can't be reached"));
}

TEST_P(TopicGuardInTheEnd, AnIdThatIsKeptBackIsUnknownUntilOneIsToldAndFewWaitForIt) {
  FakeBroker silent({}, FakeBroker::End::silence);
  FakeBroker broker(answers({frame_of(good_answer())}));
  cluster_.bootstrap = silent.address();
  cluster_.request_wait_max = milliseconds(200);
  TopicGuard guard(cluster_);
  expect_unknown_from_the_third_on(guard);
  EXPECT_THAT(said_[0], HasSubstr(GetParam() ? "SASL PLAIN: no answer in time"
                                             : silent.address() + ": no answer in time"));
  const auto began = steady_clock::now();
  std::string id;
  int calls = 0;
  for (; id.empty() && steady_clock::now() - began < seconds(30); ++calls) {
    const auto told = guard.topic_id("t", {broker.address()});
    ASSERT_TRUE(told.is_ok()) << told.status().message();
    id = told.value().topic_id;
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(id, kPrintedId);
  EXPECT_GT(calls, 30);  // of which each that asks waits for `silent`, at least 100 ms
  EXPECT_THAT(said_, testing::SizeIs(1));
  expect_unknown_from_the_third_on(guard);  // and is said again
}

}  // namespace
}  // namespace weir
