#include "tool/http_get.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <netdb.h>

namespace weir {

namespace {

using std::chrono::steady_clock;

constexpr std::size_t kAnswerBytesMax = std::size_t{16} << 20;

class Connection {
 public:
  explicit Connection(steady_clock::time_point deadline) : deadline_(deadline) {}

  ~Connection() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool open(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw) != 0) {
      return false;
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(raw, ::freeaddrinfo);
    fd_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd_ >= 0 &&
           (::connect(fd_, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS) &&
           wait(POLLOUT);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno != EAGAIN || !wait(POLLOUT))) {
        return false;
      }
      bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return true;
  }

  // Up to the other side's end.
  bool receive(std::string& bytes) {
    std::array<char, 65'536> chunk{};
    while (bytes.size() < kAnswerBytesMax && wait(POLLIN)) {
      const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
      if (got == 0) {
        return true;
      }
      if (got < 0 && errno != EAGAIN && errno != EINTR) {
        return false;
      }
      bytes.append(chunk.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return false;
  }

 private:
  bool wait(short events) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - steady_clock::now());
    pollfd one{fd_, events, 0};
    return left.count() > 0 && ::poll(&one, 1, static_cast<int>(left.count())) > 0;
  }

  const steady_clock::time_point deadline_;
  int fd_ = -1;
};

}  // namespace

Result<std::string> http_get(const std::string& address, const std::string& path,
                             std::chrono::milliseconds wait_max) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Status::stop(ExitCode::usage, fmt::format("\"{}\" is no HOST:PORT", address));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  Connection connection(steady_clock::now() + wait_max);
  std::string answer;
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, address);
  const bool is_answered = connection.open(host, address.substr(colon + 1)) &&
                           connection.send(request) && connection.receive(answer);
  const std::size_t body = answer.find("\r\n\r\n");
  if (!is_answered || !answer.starts_with("HTTP/1.") || body == std::string::npos) {
    return Status::stop(ExitCode::unavailable, fmt::format("{} doesn't answer", address));
  }
  return answer.substr(body + 4);
}

}  // namespace weir
