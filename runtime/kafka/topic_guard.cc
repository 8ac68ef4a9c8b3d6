#include "kafka/topic_guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <netdb.h>

#include "kafka/client.h"
#include "kafka/requests.h"

namespace weir {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr std::size_t kAnswerBytesMax = std::size_t{16} << 20;

void put_number(std::string& to, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    to.push_back(static_cast<char>(value >> shift));
  }
}

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    to.push_back(static_cast<char>(value | 0x80));
  }
  to.push_back(static_cast<char>(value));
}

// Reads Kafka's flexible encoding. Once anything doesn't fit, all that follows reads as empty and
// has_failed() is true.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool has_failed() const { return has_failed_; }

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      has_failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::int64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) {
      value = value << 8 | static_cast<unsigned char>(c);
    }
    const unsigned unused_bits = 64 - 8 * static_cast<unsigned>(bytes);
    return static_cast<std::int64_t>(value << unused_bits) >> unused_bits;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (byte.empty()) {
        return 0;
      }
      value |= static_cast<std::uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) {
        return value;
      }
    }
    has_failed_ = true;
    return 0;
  }

  // Compact: length + 1, 0 for null.
  std::string_view text() {
    const std::uint64_t length = varint();
    return length == 0 ? std::string_view() : take(length - 1);
  }

  // Length of a compact array. An element has at least one byte, so a length beyond the rest is
  // refused before anybody loops over it.
  std::uint64_t array() {
    const std::uint64_t length = varint();
    if (length > rest_.size() + 1) {
      has_failed_ = true;
      rest_ = {};
    }
    return length == 0 || has_failed_ ? 0 : length - 1;
  }

  void tags() {
    for (std::uint64_t count = varint(); count > 0 && !has_failed_; --count) {
      varint();
      take(varint());
    }
  }

 private:
  std::string_view rest_;
  bool has_failed_ = false;
};

// Base64 for URLs, without padding: how Kafka prints a UUID.
std::string print_uuid(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      text.push_back(kDigits[bits >> (count - 6) & 63]);
    }
  }
  if (count > 0) {
    text.push_back(kDigits[bits << (6 - count) & 63]);
  }
  return text;
}

class Socket {
 public:
  Socket() = default;

  explicit Socket(int fd) : fd_(fd) {}

  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~Socket() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  bool is_open() const { return fd_ >= 0; }

  int fd() const { return fd_; }

  bool wait(short events, Deadline deadline) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        return false;
      }
      pollfd one{fd_, events, 0};
      const int ready = ::poll(&one, 1, to_ms(left));
      if (ready > 0) {
        return true;
      }
      if (ready < 0 && errno != EINTR) {
        return false;
      }
    }
  }

  bool send_all(std::string_view bytes, Deadline deadline) const {
    while (!bytes.empty()) {
      if (!wait(POLLOUT, deadline)) {
        return false;
      }
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR && errno != EAGAIN) {
        return false;
      }
      bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return true;
  }

  bool receive_all(std::string& bytes, Deadline deadline) const {
    for (std::size_t at = 0; at < bytes.size();) {
      if (!wait(POLLIN, deadline)) {
        return false;
      }
      const ssize_t got = ::recv(fd_, bytes.data() + at, bytes.size() - at, 0);
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        return false;
      }
      at += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return true;
  }

 private:
  int fd_ = -1;
};

Socket connect_to(const std::string& host, const std::string& port, Deadline deadline) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw) != 0) {
    return {};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(raw, ::freeaddrinfo);
  for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
    Socket socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) {
      continue;
    }
    if (::connect(socket.fd(), a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
      continue;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (socket.wait(POLLOUT, deadline) &&
        ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
      return socket;
    }
  }
  return {};
}

// host:port, [v6]:port, scheme://host:port; the port may be missing.
std::pair<std::string, std::string> split_address(std::string_view address) {
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) {
    address.remove_prefix(scheme + 3);
  }
  std::string_view port = "9092";
  const auto colon = address.rfind(':');
  if (colon != std::string_view::npos && address.find(']', colon) == std::string_view::npos) {
    port = address.substr(colon + 1);
    address = address.substr(0, colon);
  }
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  return {std::string(address), std::string(port)};
}

std::optional<std::string> ask(const std::string& host, const std::string& port,
                               std::string_view request, Deadline deadline) {
  const Socket socket = connect_to(host, port, deadline);
  std::string head(4, '\0');
  if (!socket.is_open() || !socket.send_all(request, deadline) ||
      !socket.receive_all(head, deadline)) {
    return std::nullopt;
  }
  const std::int64_t size = Reader(head).number(4);
  if (size < 0 || static_cast<std::size_t>(size) > kAnswerBytesMax) {
    return std::nullopt;
  }
  std::string answer(static_cast<std::size_t>(size), '\0');
  return socket.receive_all(answer, deadline) ? std::optional(std::move(answer)) : std::nullopt;
}

}  // namespace

bool may_ask_topic_id(const ClusterSettings& cluster) {
  const auto is_plain = [](std::string_view value) {
    constexpr std::string_view kPlain = "plaintext";
    return std::equal(value.begin(), value.end(), kPlain.begin(), kPlain.end(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    });
  };
  return std::all_of(cluster.properties.begin(), cluster.properties.end(), [&](const Property& p) {
    return p.name != "security.protocol" || is_plain(p.value);
  });
}

std::string topic_id_request(std::string_view client_id, std::string_view topic) {
  std::string body;
  put_number(body, 3, 2);   // Metadata
  put_number(body, 12, 2);  // its version
  put_number(body, 1, 4);   // correlation id
  put_number(body, client_id.size(), 2);
  body += client_id;
  put_varint(body, 0);  // tags
  put_varint(body, 2);  // one topic
  body.append(16, '\0');
  put_varint(body, topic.size() + 1);
  body += topic;
  put_varint(body, 0);
  body.push_back(0);  // creates no topic
  body.push_back(0);  // tells no authorisations
  put_varint(body, 0);
  std::string frame;
  put_number(frame, body.size(), 4);
  return frame + body;
}

Result<TopicId> parse_topic_id(std::string_view answer, std::string_view topic) {
  Reader reader(answer);
  TopicId found;
  bool is_found = false;
  const std::int64_t correlation = reader.number(4);
  reader.tags();
  reader.number(4);  // throttle time
  for (std::uint64_t n = reader.array(); n > 0 && !reader.has_failed(); --n) {
    reader.number(4);
    reader.text();
    reader.number(4);
    reader.text();
    reader.tags();
  }
  found.cluster_id = reader.text();
  reader.number(4);  // controller
  for (std::uint64_t n = reader.array(); n > 0 && !reader.has_failed() && !is_found; --n) {
    const std::int64_t error = reader.number(2);
    const std::string_view name = reader.text();
    const std::string_view id = reader.take(16);
    is_found = !reader.has_failed() && name == topic;
    if (is_found && error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return topic_is_missing(topic);
    }
    if (is_found && error != 0) {
      return Status::retry(fmt::format("asking for the id of topic {}: {}", topic,
                                       rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))));
    }
    found.topic_id = print_uuid(id);
  }
  if (reader.has_failed() || correlation != 1 || !is_found) {
    return Status::retry(
        fmt::format("asking for the id of topic {}: no Metadata answer of Kafka's", topic));
  }
  return found;
}

Result<TopicId> topic_id(const ClusterSettings& cluster, const std::string& topic) {
  if (!may_ask_topic_id(cluster)) {
    return TopicId{};
  }
  const std::string request = topic_id_request(cluster.client_id, topic);
  const Deadline end = std::chrono::steady_clock::now() + cluster.request_wait_max;
  std::string_view rest = cluster.bootstrap;
  while (!rest.empty() && std::chrono::steady_clock::now() < end) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const auto [host, port] = split_address(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    // A broker that is down must not use up the time of the next.
    const Deadline deadline =
        std::min(end, std::chrono::steady_clock::now() + std::chrono::milliseconds(1500));
    const std::optional<std::string> answer = ask(host, port, request, deadline);
    if (answer) {
      return parse_topic_id(*answer, topic);
    }
  }
  return Status::retry(fmt::format(
      "asking for the id of topic {}: no broker at {} answers (Kafka 3.1 or newer is needed)",
      topic, cluster.bootstrap));
}

Result<TopicIdentity> topic_identity(const Client& client, const ClusterSettings& cluster,
                                     const std::string& topic) {
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                  find_topic_shape(client, topic, cluster.request_wait_max));
  if (!shape) {
    return topic_is_gone(topic);
  }
  WEIR_TRY_ASSIGN(const TopicId id, topic_id(cluster, topic));
  char* cluster_id = rd_kafka_clusterid(client.get(), to_ms(cluster.request_wait_max));
  if (cluster_id == nullptr) {
    return failure_of(client, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the cluster's id");
  }
  TopicIdentity identity{cluster_id, topic, id.topic_id, shape->partitions};
  rd_kafka_mem_free(client.get(), cluster_id);
  return identity;
}

}  // namespace weir
