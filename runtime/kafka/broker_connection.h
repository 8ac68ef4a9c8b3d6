// Requests to a broker over a connection of our own, for what librdkafka 2.0.2 can't ask: in plain
// text or over TLS, after SASL or without.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "kafka/broker_login.h"
#include "weir/status.h"

struct ssl_ctx_st;

namespace weir {

// One thread. Everything that comes from the other side may be anything.
class BrokerConnector {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit BrokerConnector(BrokerLogin login);
  ~BrokerConnector();

  // Connects to `address` (HOST:PORT, as in bootstrap.servers), says who we are, sends `request` (a
  // whole frame) and returns the answer without its length. Certificates are read at the first
  // call, and again behind a failure: they may have been renewed. A name's addresses are tried one
  // after the other, each for a like part of the time. Looking the name up knows no deadline but
  // the resolver's.
  //
  // Remedy::retry where the network is at fault: nobody there, or not a word until the deadline.
  // Everything else is stop(unavailable): TLS or SASL failed, the connection was closed, nonsense
  // came. Messages name the step and the broker, and never hold a password or the broker's words.
  Result<std::string> ask(std::string_view address, std::string_view client_id,
                          std::string_view request, Deadline deadline);

 private:
  struct ContextDeleter {
    void operator()(ssl_ctx_st* context) const;
  };

  using Context = std::unique_ptr<ssl_ctx_st, ContextDeleter>;

  static Result<Context> make_context(const BrokerLogin& login);
  Result<std::string> converse(std::string_view address, std::string_view client_id,
                               std::string_view request, Deadline deadline);

  const BrokerLogin login_;
  Context context_;
};

}  // namespace weir
