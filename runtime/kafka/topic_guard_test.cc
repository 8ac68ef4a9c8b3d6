#include "kafka/topic_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

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

// Accepts one connection, answers it with `bytes` and closes it.
class FakeBroker {
 public:
  explicit FakeBroker(std::string bytes) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, bytes = std::move(bytes)] {
      const int client = ::accept(listener_, nullptr, nullptr);
      char request[1000];
      EXPECT_GT(::recv(client, request, sizeof(request), 0), 0);
      EXPECT_EQ(::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(bytes.size()));
      ::close(client);
    });
  }

  ~FakeBroker() {
    thread_.join();
    ::close(listener_);
  }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

 private:
  int listener_;
  int port_ = 0;
  std::thread thread_;
};

Result<TopicId> ask(const std::string& bootstrap) {
  ClusterSettings cluster;
  cluster.bootstrap = bootstrap;
  cluster.request_wait_max = std::chrono::milliseconds(2000);
  return topic_id(cluster, "t");
}

TEST(TopicGuard, AsksTheNextAddressWhenOneIsSilent) {
  const std::string answer = good_answer();
  FakeBroker broker("\0\0\0"s + static_cast<char>(answer.size()) + answer);
  const auto id = ask("127.0.0.1:1," + broker.address());
  ASSERT_TRUE(id.is_ok()) << id.status().message();
  EXPECT_EQ(id.value().cluster_id, "clus");
}

TEST(TopicGuard, ABrokerThatAnswersNonsenseIsTriedAgain) {
  for (const std::string& bytes : {"\x7f\xff\xff\xff"s + "x", "\xff\xff\xff\xff"s,
                                   "\0\0\0\x0a"s + "abc", "HTTP/1.1 400 Bad\r\n"s}) {
    FakeBroker broker(bytes);
    const auto id = ask(broker.address());
    ASSERT_FALSE(id.is_ok());
    EXPECT_EQ(id.status().remedy(), Remedy::retry);
  }
}

TEST(TopicGuard, WithoutABrokerItIsTriedAgain) {
  EXPECT_EQ(ask("127.0.0.1:1").status().remedy(), Remedy::retry);
  EXPECT_EQ(ask("no-such-host.invalid:1").status().remedy(), Remedy::retry);
  EXPECT_EQ(ask("").status().remedy(), Remedy::retry);
}

TEST(TopicGuard, AnEncryptedClusterIsNotAsked) {
  ClusterSettings cluster;
  cluster.bootstrap = "127.0.0.1:1";
  cluster.properties = {{"security.protocol", "SASL_SSL"}};
  EXPECT_FALSE(may_ask_topic_id(cluster));
  const auto id = topic_id(cluster, "t");
  ASSERT_TRUE(id.is_ok());
  EXPECT_EQ(id.value().topic_id, "");
}

}  // namespace
}  // namespace weir
