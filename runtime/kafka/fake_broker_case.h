// Something that listens where a broker should, for tests of what may come from there.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kafka/protocol_bytes.h"

namespace weir {

inline std::string frame_of(const std::string& answer) {
  std::string frame;
  put_number(frame, answer.size(), 4);
  return frame + answer;
}

// Takes one connection after the other, and on each waits for a request before it sends the next of
// `answers`, as they are. After the last it closes, or hears on in silence.
class FakeBroker {
 public:
  enum class End { close, silence };

  explicit FakeBroker(std::vector<std::string> answers, End end = End::close)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answers = std::move(answers), end] {
      for (int client = -1; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        serve(client, answers, end);
        ::close(client);
      }
    });
  }

  ~FakeBroker() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

 private:
  static void serve(int client, const std::vector<std::string>& answers, End end) {
    char request[4000];
    for (const std::string& answer : answers) {
      if (::recv(client, request, sizeof(request), 0) <= 0) {
        return;
      }
      ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    while (end == End::silence && ::recv(client, request, sizeof(request), 0) > 0) {
    }
  }

  int listener_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace weir
