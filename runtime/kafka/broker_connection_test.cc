#include "kafka/broker_connection.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "kafka/fake_broker_case.h"

namespace weir {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr milliseconds kWait{30'000};  // for what comes
constexpr milliseconds kSilence{300};  // for what doesn't
constexpr auto kPassword = "right-horse";

BrokerLogin tls() {
  BrokerLogin login;
  login.is_encrypted = true;
  return login;
}

BrokerLogin sasl(const std::string& mechanism) {
  BrokerLogin login;
  login.mechanism = mechanism;
  login.username = "ada";
  login.password = kPassword;
  return login;
}

Result<std::string> ask(const BrokerLogin& login, const std::string& address,
                        milliseconds wait_max = kWait) {
  auto answer =
      BrokerConnector(login).ask(address, "test", "\0\0\0\1?"s, steady_clock::now() + wait_max);
  if (!answer.is_ok()) {
    EXPECT_THAT(answer.status().message(), Not(HasSubstr(kPassword)));
  }
  return answer;
}

// Answers of SaslHandshake and SaslAuthenticate.
const std::string kAgreed = frame_of("\0\0\0\1\0\0\0\0\0\1\0\5PLAIN"s);

std::string token(const std::string& bytes) {
  std::string answer = "\0\0\0\1\0\0\xff\xff"s;
  put_number(answer, bytes.size(), 4);
  return frame_of(answer + bytes);
}

TEST(BrokerConnection, ReturnsTheAnswerInPlainTextAndAfterSaslPlain) {
  FakeBroker plain({frame_of("yes")});
  const auto answer = ask({}, plain.address());
  ASSERT_TRUE(answer.is_ok()) << answer.status().message();
  EXPECT_EQ(answer.value(), "yes");
  FakeBroker after_sasl({kAgreed, token(""), frame_of("yes")});
  const auto second = ask(sasl("PLAIN"), after_sasl.address());
  ASSERT_TRUE(second.is_ok()) << second.status().message();
  EXPECT_EQ(second.value(), "yes");
}

TEST(BrokerConnection, WhereNobodyIsOrSpeaksTheNetworkIsAtFault) {
  FakeBroker silent({}, FakeBroker::End::silence);
  for (const BrokerLogin& login : {BrokerLogin(), tls(), sasl("PLAIN"), sasl("SCRAM-SHA-256")}) {
    for (const std::string& address : {"127.0.0.1:1"s, silent.address()}) {
      const auto answer = ask(login, address, kSilence);
      ASSERT_FALSE(answer.is_ok());
      EXPECT_EQ(answer.status().remedy(), Remedy::retry) << answer.status().message();
      EXPECT_THAT(answer.status().message(), HasSubstr(address));
    }
  }
}

TEST(BrokerConnection, OnlyAddressesOfTheFamilyAreTried) {
  FakeBroker broker({frame_of("yes")});
  BrokerLogin login;
  for (const auto& [family, is_reached] : {std::pair{"v4", true}, {"any", true}, {"v6", false}}) {
    login.address_family = family;
    EXPECT_EQ(ask(login, broker.address()).is_ok(), is_reached) << family;
  }
}

TEST(BrokerConnection, ABrokerThatStopsInTheMiddleIsSilent) {
  for (const std::vector<std::string>& answers :
       {std::vector{"\0\0"s}, {kAgreed.substr(0, 9)}, {kAgreed, token("").substr(0, 5)}}) {
    FakeBroker broker(answers, FakeBroker::End::silence);
    EXPECT_EQ(ask(sasl("PLAIN"), broker.address(), kSilence).status().remedy(), Remedy::retry);
  }
}

TEST(BrokerConnection, WhatIsNotUnderstoodNamesTheStep) {
  const std::string denied = frame_of("\0\0\0\1\0\x3a\0\x0bright-horse\0\0\0\0"s);
  const std::string is_no_mechanism = frame_of("\0\0\0\1\0\x21\0\0\0\0"s);
  const std::string garbage = "HTTP/1.1 400 Bad Request\r\n\r\n right-horse";
  const std::string huge = "\x7f\xff\xff\xff right-horse"s;
  const std::string negative = "\xff\xff\xff\xff"s;
  const std::string other_question = frame_of("\0\0\0\2\0\0\0\0\0\0"s);
  const std::string cut = frame_of("\0\0\0\1\0\0\0\7ab"s);
  const std::string is_huge_inside = frame_of("\0\0\0\1\0\0\xff\xff\x7f\xff\xff\xffx"s);

  struct Case {
    BrokerLogin login;
    std::vector<std::string> answers;
    std::string step;
  };

  for (const Case& one : {
           Case{tls(), {}, "TLS handshake"},
           Case{tls(), {garbage}, "TLS handshake"},
           Case{tls(), {"\x15\x03\x03\0\2\2\x28"s}, "TLS handshake"},  // a fatal alert
           Case{sasl("PLAIN"), {}, "SASL PLAIN"},
           Case{sasl("PLAIN"), {garbage}, "SASL PLAIN"},
           Case{sasl("PLAIN"), {huge}, "SASL PLAIN"},
           Case{sasl("PLAIN"), {negative}, "SASL PLAIN"},
           Case{sasl("PLAIN"), {other_question}, "no answer of Kafka's"},
           Case{sasl("PLAIN"), {frame_of("")}, "SASL PLAIN"},
           Case{sasl("PLAIN"), {is_no_mechanism}, "Unsupported SASL mechanism"},
           Case{sasl("PLAIN"), {kAgreed}, "closed"},
           Case{sasl("PLAIN"), {kAgreed, denied}, "SASL Authentication failed"},
           Case{sasl("PLAIN"), {kAgreed, cut}, "no answer of Kafka's"},
           Case{sasl("PLAIN"), {kAgreed, is_huge_inside}, "no answer of Kafka's"},
           Case{sasl("PLAIN"), {kAgreed, token("")}, "closed"},
           Case{sasl("SCRAM-SHA-256"), {kAgreed, token("")}, "SASL SCRAM-SHA-256"},
           Case{sasl("SCRAM-SHA-512"), {kAgreed, token("r=x,s=QUJD,i=4096")}, "nonce"},
       }) {
    FakeBroker broker(one.answers);
    const auto answer = ask(one.login, broker.address());
    ASSERT_FALSE(answer.is_ok()) << one.step;
    EXPECT_EQ(answer.status().remedy(), Remedy::stop) << answer.status().message();
    EXPECT_EQ(answer.status().exit_code(), ExitCode::unavailable);
    EXPECT_THAT(answer.status().message(), HasSubstr(one.step));
    EXPECT_THAT(answer.status().message(), HasSubstr(broker.address()));
  }
}

TEST(BrokerConnection, CertificatesThatCanNotBeReadAreNamed) {
  for (const auto& [member, name] : {std::pair{&BrokerLogin::ca_location, "ssl.ca"},
                                     {&BrokerLogin::ca_pem, "ssl.ca"},
                                     {&BrokerLogin::certificate_location, "ssl.certificate"},
                                     {&BrokerLogin::certificate_pem, "ssl.certificate"},
                                     {&BrokerLogin::key_location, "ssl.key"},
                                     {&BrokerLogin::key_pem, "ssl.key"}}) {
    BrokerLogin login = tls();
    login.key_password = kPassword;
    login.*member = "/no/such/file";
    const auto answer = ask(login, "127.0.0.1:1");
    ASSERT_FALSE(answer.is_ok());
    EXPECT_THAT(answer.status().message(), HasSubstr(name));
  }
}

// A broker that speaks TLS and shows its own certificate, of a host called `elsewhere`.
class TlsBroker {
 public:
  explicit TlsBroker(const std::filesystem::path& directory) : certificate_(directory / "pem") {
    const std::string files =
        fmt::format(" -out {0} -keyout {0}.key", (directory / "pem").string());
    EXPECT_EQ(std::system(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere "
                           "-addext subjectAltName=DNS:elsewhere 2>/dev/null" +
                           files)
                              .c_str()),
              0);
    // -rev: hears on, whatever its input is.
    const std::string serve = fmt::format(
        "echo $$; exec openssl s_server -accept 127.0.0.1:0 -rev -cert {0} -key {0}.key "
        "2>/dev/null",
        certificate_);
    out_ = ::popen(serve.c_str(), "r");
    std::array<char, 200> line{};
    while (address_.empty() && std::fgets(line.data(), line.size(), out_) != nullptr) {
      const std::string said = line.data();
      pid_ = pid_ == 0 ? std::atoi(said.c_str()) : pid_;
      if (said.starts_with("ACCEPT ")) {
        address_ = said.substr(7, said.find_last_not_of('\n') - 6);
      }
    }
    EXPECT_NE(address_, "");
  }

  ~TlsBroker() {
    ::kill(pid_, SIGTERM);
    ::pclose(out_);
  }

  TlsBroker(const TlsBroker&) = delete;
  TlsBroker& operator=(const TlsBroker&) = delete;

  const std::string& certificate() const { return certificate_; }

  const std::string& address() const { return address_; }

 private:
  std::string certificate_;
  std::string address_;
  FILE* out_ = nullptr;
  pid_t pid_ = 0;
};

// librdkafka refused such a broker before; between the two somebody else may answer.
TEST(BrokerConnection, ABrokerThatIsNotTheOneMeantHearsNothing) {
  const auto place = std::filesystem::path(testing::TempDir()) /
                     fmt::format("weir_tls_broker_test.{}", ::getpid());
  std::filesystem::create_directories(place);
  const TlsBroker broker(place);
  BrokerLogin login = tls();
  const auto failure = [&] { return ask(login, broker.address(), kWait).status(); };
  EXPECT_THAT(failure().message(), HasSubstr("certificate verify failed"));
  login.ca_location = broker.certificate();
  EXPECT_THAT(failure().message(), HasSubstr("mismatch"));
  login.verifies_host = false;
  EXPECT_THAT(ask(login, broker.address(), kSilence).status().message(),
              HasSubstr(": no answer in time"));
  login.ca_location.clear();
  EXPECT_THAT(failure().message(), HasSubstr("certificate verify failed"));
  login.verifies_certificate = false;
  EXPECT_THAT(ask(login, broker.address(), kSilence).status().message(),
              Not(HasSubstr("TLS handshake")));
  std::filesystem::remove_all(place);
}

TEST(BrokerConnection, CertificatesAreReadAgainBehindAFailure) {
  const auto place = std::filesystem::path(testing::TempDir()) / "weir_broker_connection_test";
  std::filesystem::create_directories(place);
  BrokerLogin login = tls();
  login.ca_location = place;
  FakeBroker broker({"garbage"});
  BrokerConnector connector(login);
  const auto failure = [&] {
    return connector.ask(broker.address(), "test", "?", steady_clock::now() + kWait)
        .status()
        .message();
  };
  EXPECT_THAT(failure(), HasSubstr("TLS handshake"));
  std::filesystem::remove(place);
  EXPECT_THAT(failure(), HasSubstr("ssl.ca can't be used"));
}

}  // namespace
}  // namespace weir
