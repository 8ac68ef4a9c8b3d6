#include "kafka/topic_guard.h"

#include <random>

#include <gmock/gmock.h>

#include "kafka/fake_broker_case.h"

namespace weir {
namespace {

using namespace std::string_literals;

// One broker, one topic "t", id 00 01 … 0f, as version 12 lays it out.
std::string good_answer(const std::string& topic = "t", const std::string& error = "\0\0"s) {
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
         static_cast<char>(topic.size() + 1) + topic +
         "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"s
         "\0\1\0\0\0\0\0\0"s;
}

TEST(TopicGuard, ReadsTheIdAsKafkasToolsPrintIt) {
  const auto id = parse_topic_id(good_answer(), "t");
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().cluster_id, "clus");
  // Python: base64.urlsafe_b64encode(bytes(range(16)))
  EXPECT_EQ(id.value().topic_id, "AAECAwQFBgcICQoLDA0ODw");
}

TEST(TopicGuard, AMissingTopicStops) {
  const auto id = parse_topic_id(good_answer("t", "\0\3"s), "t");
  ASSERT_FALSE(id.is_ok());
  EXPECT_EQ(id.status().exit_code(), ExitCode::config);
}

TEST(TopicGuard, AnotherTopicsAnswerIsNone) {
  EXPECT_EQ(parse_topic_id(good_answer("u"), "t").status().remedy(), Remedy::retry);
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

TEST(TopicGuard, ABrokerThatAnswersNonsenseIsTriedAgain) {
  for (const std::string& bytes : {"\x7f\xff\xff\xff"s + "x", "\xff\xff\xff\xff"s,
                                   "\0\0\0\x0a"s + "abc", "HTTP/1.1 400 Bad\r\n"s}) {
    FakeBroker broker({bytes});
    const auto id = ask(broker.address());
    ASSERT_FALSE(id.is_ok());
    EXPECT_EQ(id.status().remedy(), Remedy::retry);
  }
}

TEST(TopicGuard, InPlainTextABrokerThatIsTooOldIsTriedAgainForEver) {
  FakeBroker broker({});
  ClusterSettings cluster;
  cluster.bootstrap = broker.address();
  TopicGuard guard(cluster);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(guard.topic_id("t").status().remedy(), Remedy::retry);
  }
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

class TopicGuardOverSasl : public testing::Test {
 protected:
  TopicGuardOverSasl() {
    cluster_.properties = {{"security.protocol", "sasl_plaintext"},
                           {"sasl.mechanisms", "PLAIN"},
                           {"sasl.username", "ada"},
                           {"sasl.password", "secret"}};
    cluster_.log = [this](int, std::string_view message) { said_.emplace_back(message); };
  }

  ClusterSettings cluster_;
  std::vector<std::string> said_;
};

TEST_F(TopicGuardOverSasl, AnIdThatCanNotBeAskedForIsUnknownInTheEndAndThatIsSaidOnce) {
  const std::string agreed = frame_of("\0\0\0\1\0\0\0\0\0\0"s);
  const std::string accepted = frame_of("\0\0\0\1\0\0\xff\xff\0\0\0\0"s);
  for (const std::vector<std::string>& answers :
       {std::vector{frame_of("\0\0\0\1\0\x21\0\0\0\0"s)},  // no such mechanism
        {agreed, accepted},                                // too old for the question
        {agreed, accepted, frame_of("\0\0\0\1nonsense"s)}}) {
    FakeBroker broker(answers);
    cluster_.bootstrap = broker.address();
    said_.clear();
    TopicGuard guard(cluster_);
    EXPECT_EQ(guard.topic_id("t").status().remedy(), Remedy::retry);
    EXPECT_EQ(guard.topic_id("u").status().remedy(), Remedy::retry);
    EXPECT_THAT(said_, testing::IsEmpty());
    for (int i = 0; i < 3; ++i) {
      const auto unknown = guard.topic_id("t");
      ASSERT_TRUE(unknown.is_ok()) << unknown.status().message();
      EXPECT_EQ(unknown.value().topic_id, "");
    }
    ASSERT_THAT(said_, testing::SizeIs(1));
    EXPECT_THAT(said_[0], testing::HasSubstr("asking for the id of topic t: "));
    EXPECT_THAT(said_[0], testing::Not(testing::HasSubstr("secret")));
  }
}

TEST_F(TopicGuardOverSasl, ABrokerThatIsNotThereIsTriedAgainForEver) {
  cluster_.bootstrap = "127.0.0.1:1";
  TopicGuard guard(cluster_);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(guard.topic_id("t").status().remedy(), Remedy::retry);
  }
}

}  // namespace
}  // namespace weir
