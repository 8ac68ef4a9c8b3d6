#include "http/endpoint.h"

#include <signal.h>

#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <fmt/format.h>
#include <pthread.h>

namespace weir {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 4'096;
// How long and how much is read from a client that is being turned away, so that it sees the answer
// and not a reset.
constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingerBytes = 1'048'576;
constexpr std::chrono::milliseconds kAcceptPause{100};

Response plain(int status, std::string text) {
  return {.status = status, .body = std::move(text) + "\n"};
}

// Never throws: one broken page must not take the others with it.
Response answer(const Endpoint::Routes& routes, http::verb method, std::string_view target) {
  if (method != http::verb::get && method != http::verb::head) {
    return plain(405, "only GET and HEAD are served here");
  }
  const std::string_view path = target.substr(0, target.find('?'));
  const auto route = routes.find(path);
  if (route == routes.end()) {
    std::string text = "no such page; there is:";
    for (const auto& [known, unused] : routes) {
      text += "\n  " + known;
    }
    return plain(404, std::move(text));
  }
  try {
    return route->second();
  } catch (const std::exception& e) {
    return plain(500, fmt::format("{} failed: {}", path, e.what()));
  }
}

bool is_http_error(const error_code& ec) {
  return ec.category() == http::make_error_code(http::error::end_of_stream).category();
}

}  // namespace

struct Endpoint::Server {
  class Connection;

  Server(Settings settings_in, Routes routes_in)
      : settings(std::move(settings_in)), routes(std::move(routes_in)) {}

  error_code listen(const tcp::endpoint& where);
  void accept();
  void admit(tcp::socket socket);
  void run();

  const Settings settings;
  const Routes routes;
  // The one that has stood still the longest comes first. Before `loop`, whose end destroys the
  // connections, which take themselves off this list.
  std::list<Connection*> connections;
  asio::io_context loop{1};
  tcp::acceptor acceptor{loop};
  asio::steady_timer pause{loop};
  std::uint16_t port = 0;
  std::thread thread;
};

// Kept alive by its one pending operation.
class Endpoint::Server::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, tcp::socket socket)
      : server_(server),
        stream_(std::move(socket)),
        buffer_(server.settings.header_bytes_max + kReadBytes),
        place_(server.connections.insert(server.connections.end(), this)) {}

  ~Connection() { leave(); }

  void read_header() {
    moved();
    keep_ = is_head_ = false;  // what can't be read is not answered by the last request's wishes
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.settings.header_bytes_max));
    parser_->body_limit(boost::none);  // a body is not read at all
    stream_.expires_after(server_.settings.header_wait_max);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& ec, std::size_t) { self->header_read(ec); });
  }

  // Makes room: what is pending ends with an error, and this object with it.
  void drop() {
    leave();
    stream_.close();
  }

 private:
  // To the back of the line of those that stand still.
  void moved() {
    if (place_) {
      server_.connections.splice(server_.connections.end(), server_.connections, *place_);
    }
  }

  void leave() {
    if (place_) {
      server_.connections.erase(*place_);
      place_.reset();
    }
  }

  void header_read(const error_code& ec) {
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
      write(plain(431,
                  fmt::format("more than {} bytes of header", server_.settings.header_bytes_max)));
    } else if (ec == http::error::end_of_stream || ec == http::error::partial_message) {
      linger(0);
    } else if (is_http_error(ec)) {
      write(plain(400, "this is not HTTP: " + ec.message()));
    } else if (!ec) {
      const auto& request = parser_->get();
      const std::string_view target(request.target().data(), request.target().size());
      const bool has_body = parser_->chunked() || parser_->content_length().value_or(0) > 0;
      is_head_ = request.method() == http::verb::head;
      keep_ = request.keep_alive() && !has_body;
      write(answer(server_.routes, request.method(), target));
    }
  }

  void write(Response response) {
    moved();
    message_ = {};
    message_.result(static_cast<unsigned>(response.status));
    message_.set(http::field::content_type, response.content_type);
    message_.set(http::field::cache_control, "no-store");
    message_.set("X-Content-Type-Options", "nosniff");
    message_.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    if (response.status == 405) {
      message_.set(http::field::allow, "GET, HEAD");
    }
    message_.content_length(response.body.size());
    message_.keep_alive(keep_);
    if (!is_head_) {
      message_.body() = std::move(response.body);
    }
    stream_.expires_after(server_.settings.header_wait_max);
    http::async_write(
        stream_, message_,
        [self = shared_from_this()](const error_code& ec, std::size_t) { self->written(ec); });
  }

  void written(const error_code& ec) {
    if (ec) {
      return;
    }
    if (!keep_) {
      linger(0);
    } else if (buffer_.size() > 0) {
      read_header();
    } else {
      wait_for_next();
    }
  }

  // A scraper may stay away for a scrape interval; the clock for its header starts with its first
  // byte.
  void wait_for_next() {
    moved();
    stream_.expires_after(server_.settings.idle_wait_max);
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](const error_code& ec, std::size_t bytes) {
                              if (!ec) {
                                self->buffer_.commit(bytes);
                                self->read_header();
                              }
                            });
  }

  // No more answers. Closing with unread bytes would send a reset, which can overtake the answer.
  void linger(std::size_t bytes_read) {
    error_code ignored;
    if (bytes_read == 0) {
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      stream_.expires_after(kLinger);
    }
    buffer_.clear();
    stream_.async_read_some(
        buffer_.prepare(kReadBytes),
        [self = shared_from_this(), bytes_read](const error_code& ec, std::size_t bytes) {
          if (!ec && bytes_read + bytes < kLingerBytes) {
            self->linger(bytes_read + bytes);
          }
        });
  }

  Server& server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> message_;
  bool keep_ = false;
  bool is_head_ = false;
  std::optional<std::list<Connection*>::iterator> place_;  // nullopt: dropped
};

error_code Endpoint::Server::listen(const tcp::endpoint& where) {
  error_code ec;
  acceptor.open(where.protocol(), ec);
  if (!ec) {
    acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  }
  if (!ec) {
    acceptor.bind(where, ec);
  }
  if (!ec) {
    acceptor.listen(tcp::acceptor::max_listen_connections, ec);
  }
  if (!ec) {
    port = acceptor.local_endpoint(ec).port();
  }
  return ec;
}

void Endpoint::Server::accept() {
  acceptor.async_accept([this](const error_code& ec, tcp::socket socket) {
    if (!ec) {
      admit(std::move(socket));
      accept();
      return;
    }
    // No file descriptor left, most likely: trying again at once would spin.
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code&) { accept(); });
  });
}

void Endpoint::Server::admit(tcp::socket socket) {
  if (connections.size() >= settings.connections_max) {
    connections.front()->drop();
  }
  std::make_shared<Connection>(*this, std::move(socket))->read_header();
}

void Endpoint::Server::run() {
  // Signals belong to the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  loop.run();
}

Result<std::unique_ptr<Endpoint>> Endpoint::start(Settings settings, Routes routes) {
  error_code ec;
  const auto address = asio::ip::make_address(settings.address, ec);
  if (ec) {
    return Status::stop(ExitCode::config,
                        fmt::format("\"{}\" is not an IP address: the status endpoint needs one "
                                    "like 127.0.0.1, ::1 or 0.0.0.0",
                                    settings.address));
  }
  const std::string place = address.is_v6()
                                ? fmt::format("[{}]:{}", settings.address, settings.port)
                                : fmt::format("{}:{}", settings.address, settings.port);
  auto server = std::make_unique<Server>(std::move(settings), std::move(routes));
  ec = server->listen(tcp::endpoint(address, server->settings.port));
  if (ec == asio::error::address_in_use) {
    return Status::stop(ExitCode::config,
                        fmt::format("the status endpoint can't listen at {}: another program does. "
                                    "Stop that one, or choose another port (0 picks a free one)",
                                    place));
  }
  if (ec) {
    return Status::stop(ExitCode::config,
                        fmt::format("the status endpoint can't listen at {}: {}. Choose an address "
                                    "of this machine and a port that this user may open",
                                    place, ec.message()));
  }
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(server)));
}

Endpoint::Endpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {
  server_->accept();
  server_->thread = std::thread([s = server_.get()] { s->run(); });
}

Endpoint::~Endpoint() {
  server_->loop.stop();
  server_->thread.join();
}

std::uint16_t Endpoint::port() const {
  return server_->port;
}

}  // namespace weir
