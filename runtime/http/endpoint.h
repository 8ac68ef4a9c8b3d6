// A small HTTP endpoint for operators and scrapers: exact paths, GET and HEAD, nothing else.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "weir/status.h"

namespace weir {

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Serves from construction to destruction on one thread of its own. Stuck, slow and hostile clients
// cost a bounded amount of memory and never keep another client from its answer: when all
// connections are taken, the one that has stood still the longest makes room.
class Endpoint {
 public:
  // By exact path, without the query. Called on the endpoint's thread, one at a time; an exception
  // becomes a 500.
  using Routes = std::map<std::string, std::function<Response()>, std::less<>>;

  struct Settings {
    std::string address = "127.0.0.1";  // numeric, IPv4 or IPv6
    std::uint16_t port = 0;             // 0: any free one
    std::size_t connections_max = 64;
    std::size_t header_bytes_max = 8'192;
    std::chrono::milliseconds header_wait_max{5'000};  // for a whole header; also for a response
    std::chrono::milliseconds idle_wait_max{60'000};   // between two requests of a connection
  };

  // Listens when this returns. Stop (config) when the address can't be had.
  static Result<std::unique_ptr<Endpoint>> start(Settings settings, Routes routes);

  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  // Drops open connections; doesn't wait for clients, only for a route that is running.
  ~Endpoint();

  std::uint16_t port() const;

 private:
  struct Server;
  explicit Endpoint(std::unique_ptr<Server> server);

  std::unique_ptr<Server> server_;
};

}  // namespace weir
