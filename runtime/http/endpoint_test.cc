#include "http/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kGet = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kGetAndClose =
    "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

// An endless answer ends a test, too.
constexpr std::size_t kRestMax = 1'000'000;

// A client that knows nothing of HTTP.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // So that a failing test ends.
    const timeval wait_max{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait_max, sizeof wait_max);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API wants it
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      throw std::runtime_error("no connection");
    }
  }

  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client& operator=(Client&&) = delete;

  ~Client() {
    if (socket_ >= 0) {
      ::close(socket_);
    }
  }

  // A peer that closed early is no failure here.
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void send_no_more() const { ::shutdown(socket_, SHUT_WR); }

  // Up to the end of the connection.
  std::string rest() const {
    std::string text;
    std::array<char, 4096> more{};
    for (ssize_t n = 1; n > 0 && text.size() < kRestMax;) {
      n = ::recv(socket_, more.data(), more.size(), 0);
      if (n > 0) {
        text.append(more.data(), static_cast<std::size_t>(n));
      } else if (n < 0) {
        text += "(no end)";
      }
    }
    return text;
  }

  // Up to and including `end`, or the end of the connection.
  std::string until(std::string_view end) const {
    std::string text;
    while (!text.ends_with(end)) {
      char c = 0;
      if (::recv(socket_, &c, 1, 0) != 1) {
        break;
      }
      text += c;
    }
    return text;
  }

 private:
  int socket_;
};

Endpoint::Routes routes() {
  return {{"/metrics", [] { return Response{.body = "weir_up 1\n"}; }},
          {"/-/ready", [] { return Response{.status = 503, .body = "not ready\n"}; }},
          {"/broken", []() -> Response { throw std::runtime_error("no disk"); }}};
}

std::unique_ptr<Endpoint> started(Endpoint::Settings settings = {}) {
  auto endpoint = Endpoint::start(std::move(settings), routes());
  EXPECT_TRUE(endpoint.is_ok()) << endpoint.status().message();
  return std::move(endpoint).value();
}

std::string answer_to(const Endpoint& endpoint, std::string_view request) {
  const Client client(endpoint.port());
  client.send(request);
  client.send_no_more();
  return client.rest();
}

TEST(Endpoint, AnswersAGetWithTheRoutesResponse) {
  const auto endpoint = started();
  EXPECT_THAT(answer_to(*endpoint, kGetAndClose),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"),
                    HasSubstr("Content-Length: 10\r\n"), EndsWith("\r\n\r\nweir_up 1\n")));
  EXPECT_THAT(answer_to(*endpoint, "GET /-/ready HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 503 "), EndsWith("\r\n\r\nnot ready\n")));
}

TEST(Endpoint, LooksAtThePathWithoutTheQuery) {
  EXPECT_THAT(answer_to(*started(), "GET /metrics?name=x HTTP/1.0\r\n\r\n"),
              EndsWith("weir_up 1\n"));
}

TEST(Endpoint, AnswersHeadWithTheLengthAndNoBody) {
  EXPECT_THAT(answer_to(*started(), "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr(" 200 "), HasSubstr("Content-Length: 10\r\n"), EndsWith("\r\n\r\n")));
}

TEST(Endpoint, NamesThePagesThatThereAre) {
  EXPECT_THAT(answer_to(*started(), "GET /etc/passwd HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 404 "), HasSubstr("\n  /-/ready\n"), HasSubstr("\n  /metrics\n")));
}

TEST(Endpoint, RefusesOtherMethods) {
  EXPECT_THAT(
      answer_to(*started(), "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
      AllOf(HasSubstr(" 405 "), HasSubstr("Allow: GET, HEAD\r\n"),
            HasSubstr("Connection: close\r\n")));
}

TEST(Endpoint, AFailingRouteFailsAlone) {
  const auto endpoint = started();
  EXPECT_THAT(answer_to(*endpoint, "GET /broken HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 500 "), EndsWith("/broken failed: no disk\n")));
  EXPECT_THAT(answer_to(*endpoint, kGetAndClose), EndsWith("weir_up 1\n"));
}

TEST(Endpoint, KeepsAConnectionForTheNextRequest) {
  const auto endpoint = started();
  const Client client(endpoint->port());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    EXPECT_THAT(client.until("weir_up 1\n"), AllOf(HasSubstr(" 200 "), EndsWith("weir_up 1\n")));
  }
}

TEST(Endpoint, AnswersPipelinedRequestsInOrder) {
  const auto endpoint = started();
  const Client client(endpoint->port());
  client.send("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kGetAndClose));
  EXPECT_THAT(client.rest(), AllOf(StartsWith("HTTP/1.1 503 "),
                                   HasSubstr("not ready\nHTTP/1.1 200 "), EndsWith("weir_up 1\n")));
}

TEST(Endpoint, GarbageGetsA400AndTheConnectionEnds) {
  const auto endpoint = started();
  EXPECT_THAT(answer_to(*endpoint, "\x16\x03\x01 hello\r\n\r\n"), HasSubstr(" 400 "));
  const Client client(endpoint->port());
  client.send(std::string(kGet) + "\xff\xfe{}{}\r\n\r\n" + std::string(kGet));
  const std::string rest = client.rest();
  EXPECT_THAT(rest, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("HTTP/1.1 400 ")));
  EXPECT_LT(rest.size(), 2'000U) << "answered for ever";
  EXPECT_THAT(answer_to(*endpoint, kGetAndClose), EndsWith("weir_up 1\n"));
}

TEST(Endpoint, AHeaderUpToTheLimitIsReadAndALargerOneGetsA431) {
  const auto endpoint = started();
  const auto with_header = [](std::size_t bytes) {
    return "GET /metrics HTTP/1.0\r\nX: " + std::string(bytes, 'x') + "\r\n\r\n";
  };
  EXPECT_THAT(answer_to(*endpoint, with_header(8'000)), HasSubstr(" 200 "));
  EXPECT_THAT(answer_to(*endpoint, with_header(8'192)), HasSubstr(" 431 "));
  EXPECT_THAT(answer_to(*endpoint, with_header(500'000)), HasSubstr(" 431 "));
}

TEST(Endpoint, AClientThatSendsItsHeaderSlowlyIsClosed) {
  const auto endpoint = started({.header_wait_max = milliseconds(30)});
  const Client slow(endpoint->port());
  slow.send("GET /metrics HTT");
  EXPECT_EQ(slow.rest(), "");
  const Client silent(endpoint->port());
  EXPECT_EQ(silent.rest(), "");
}

TEST(Endpoint, AnIdleConnectionIsClosedInTheEnd) {
  const auto endpoint = started({.idle_wait_max = milliseconds(30)});
  const Client client(endpoint->port());
  client.send(kGet);
  EXPECT_THAT(client.rest(), EndsWith("weir_up 1\n"));
}

TEST(Endpoint, TwoHundredHalfOpenConnectionsDoNotKeepAScrapeFromItsAnswer) {
  const auto endpoint = started();
  std::vector<Client> stuck;
  for (int i = 0; i < 200; ++i) {
    stuck.emplace_back(endpoint->port()).send(i % 2 == 0 ? "" : "GET /metrics HTTP/1.1\r\nHo");
  }
  EXPECT_THAT(answer_to(*endpoint, kGetAndClose), EndsWith("weir_up 1\n"));
}

TEST(Endpoint, TheConnectionThatStoodStillTheLongestMakesRoom) {
  const auto endpoint = started({.connections_max = 2});
  const Client first(endpoint->port());
  first.send(kGet);
  first.until("weir_up 1\n");
  const Client second(endpoint->port());
  second.send(kGet);
  second.until("weir_up 1\n");
  first.send(kGet);  // moves: now the second has stood still longer
  first.until("weir_up 1\n");
  const Client third(endpoint->port());
  third.send(kGet);
  EXPECT_THAT(third.until("weir_up 1\n"), HasSubstr(" 200 "));
  EXPECT_EQ(second.rest(), "");
  first.send(kGet);
  EXPECT_THAT(first.until("weir_up 1\n"), HasSubstr(" 200 "));
}

TEST(Endpoint, APortThatIsTakenIsAConfigurationFailureThatNamesItAndTheWayOut) {
  const auto endpoint = started();
  const auto second = Endpoint::start({.port = endpoint->port()}, routes());
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.status().remedy(), Remedy::stop);
  EXPECT_EQ(second.status().exit_code(), ExitCode::config);
  EXPECT_THAT(
      second.status().message(),
      AllOf(HasSubstr("127.0.0.1:" + std::to_string(endpoint->port())), HasSubstr("another port")));
}

TEST(Endpoint, AnAddressThatIsNoneOrNotOursIsAConfigurationFailure) {
  for (const char* address : {"localhost:80", "", "192.0.2.1"}) {
    const auto endpoint = Endpoint::start({.address = address}, routes());
    ASSERT_FALSE(endpoint.is_ok()) << address;
    EXPECT_EQ(endpoint.status().exit_code(), ExitCode::config);
    EXPECT_THAT(endpoint.status().message(), HasSubstr(address));
  }
}

TEST(Endpoint, ThePortIsFreeAgainAfterItsEndEvenWithClientsConnected) {
  auto endpoint = started();
  const std::uint16_t port = endpoint->port();
  const Client client(port);
  client.send(kGet);
  client.until("weir_up 1\n");
  endpoint.reset();
  EXPECT_EQ(client.rest(), "");
  EXPECT_THAT(answer_to(*started({.port = port}), kGetAndClose), EndsWith("weir_up 1\n"));
}

}  // namespace
}  // namespace weir
