#include "kafka/client.h"

#include <array>
#include <future>
#include <system_error>
#include <thread>

#include <fmt/format.h>

namespace weir {

using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds kCloseWaitMax{5};

// Answered before anybody has said who they are, or in saying so.
bool is_part_of_connecting(std::int16_t api_key) {
  constexpr std::int16_t kSaslHandshake = 17;
  constexpr std::int16_t kApiVersions = 18;
  constexpr std::int16_t kSaslAuthenticate = 36;
  return api_key == kSaslHandshake || api_key == kApiVersions || api_key == kSaslAuthenticate;
}

}  // namespace

void Client::register_callbacks(rd_kafka_conf_t* conf, rd_kafka_type_t type, Shared& shared) {
  rd_kafka_conf_set_opaque(conf, &shared);
  rd_kafka_conf_set_log_cb(
      conf, [](const rd_kafka_t* client, int severity, const char* facility, const char* text) {
        const auto* self = static_cast<const Shared*>(rd_kafka_opaque(client));
        // CONFWARN: properties pass to producers and consumers alike, each ignores the other's.
        if (self != nullptr && self->log && std::string_view(facility) != "CONFWARN") {
          self->log(severity, fmt::format("{}: {}", facility, text));
        }
      });
  rd_kafka_conf_set_error_cb(
      conf, [](rd_kafka_t* /*client*/, int code, const char* reason, void* opaque) {
        auto* self = static_cast<Shared*>(opaque);
        if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
          self->is_reachable = false;
          return;  // says no more than the complaints before it
        }
        if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
          self->is_refused = true;
        }
        const std::scoped_lock lock(self->mutex);
        self->trouble = reason;
      });
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set_dr_msg_cb(
        conf, [](rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
          auto* self = static_cast<Shared*>(opaque);
          if (self->callbacks.delivered && !self->is_closing) {
            self->callbacks.delivered(*message);
          }
        });
  } else {
    rd_kafka_conf_set_rebalance_cb(conf,
                                   [](rd_kafka_t* client, rd_kafka_resp_err_t code,
                                      rd_kafka_topic_partition_list_t* partitions, void* opaque) {
                                     auto* self = static_cast<Shared*>(opaque);
                                     if (self->callbacks.rebalanced && !self->is_closing) {
                                       self->callbacks.rebalanced(code, partitions);
                                     } else {
                                       rd_kafka_assign(client, nullptr);
                                     }
                                   });
  }
  rd_kafka_conf_interceptor_add_on_new(
      conf, "weir",
      [](rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* opaque, char* /*error*/,
         size_t /*error_size*/) {
        rd_kafka_interceptor_add_on_request_sent(
            client, "weir",
            [](rd_kafka_t* /*client*/, int /*socket*/, const char* /*broker*/, int32_t /*id*/,
               int16_t api_key, int16_t /*version*/, int32_t /*correlation*/, size_t /*size*/,
               void* self) {
              static_cast<Shared*>(self)->ledger.sent(api_key);
              return RD_KAFKA_RESP_ERR_NO_ERROR;
            },
            opaque);
        return rd_kafka_interceptor_add_on_response_received(
            client, "weir",
            [](rd_kafka_t* /*client*/, int /*socket*/, const char* /*broker*/, int32_t /*id*/,
               int16_t api_key, int16_t /*version*/, int32_t /*correlation*/, size_t /*size*/,
               int64_t /*rtt*/, rd_kafka_resp_err_t err, void* self) {
              const bool is_clean = err == RD_KAFKA_RESP_ERR_NO_ERROR;
              static_cast<Shared*>(self)->ledger.answered(api_key, is_clean);
              if (is_clean) {
                static_cast<Shared*>(self)->is_reachable = true;
                static_cast<Shared*>(self)->last_answer = std::chrono::steady_clock::now();
                if (!is_part_of_connecting(api_key)) {
                  static_cast<Shared*>(self)->is_refused = false;
                }
              }
              return RD_KAFKA_RESP_ERR_NO_ERROR;
            },
            opaque);
      },
      &shared);
}

Result<std::unique_ptr<Client>> Client::make(rd_kafka_type_t type, const ClusterSettings& cluster,
                                             const std::vector<Property>& own,
                                             Callbacks callbacks) {
  auto shared = std::make_shared<Shared>();
  shared->callbacks = std::move(callbacks);
  shared->log = cluster.log;

  ConfPtr conf(rd_kafka_conf_new());
  std::array<char, 512> why{};
  const auto set = [&](const Property& property) {
    return rd_kafka_conf_set(conf.get(), property.name.c_str(), property.value.c_str(), why.data(),
                             why.size()) == RD_KAFKA_CONF_OK
               ? Status::ok()
               : Status::stop(ExitCode::config,
                              fmt::format("Kafka property {}: {}", property.name, why.data()));
  };
  // Before the pass-through properties, which may say otherwise.
  WEIR_TRY(set({"socket.nagle.disable", "true"}));
  WEIR_TRY(set({"log.connection.close", "false"}));
  for (const Property& property : cluster.properties) {
    WEIR_TRY(check_property(property.name, property.value));
    WEIR_TRY(set(property));
  }
  WEIR_TRY(set({"bootstrap.servers", cluster.bootstrap}));
  WEIR_TRY(set({"client.id", cluster.client_id}));
  WEIR_TRY(set({"allow.auto.create.topics", "false"}));
  for (const Property& property : own) {
    WEIR_TRY(set(property));
  }
  register_callbacks(conf.get(), type, *shared);

  rd_kafka_t* client = rd_kafka_new(type, conf.get(), why.data(), why.size());
  if (client == nullptr) {
    return Status::stop(ExitCode::config, fmt::format("Kafka client: {}", why.data()));
  }
  static_cast<void>(conf.release());  // the client owns it now
  if (type == RD_KAFKA_CONSUMER) {
    rd_kafka_poll_set_consumer(client);
  }
  return std::unique_ptr<Client>(new Client(client, std::move(shared), cluster.bootstrap));
}

Client::Client(rd_kafka_t* client, std::shared_ptr<Shared> shared, std::string bootstrap)
    : client_(client), shared_(std::move(shared)), bootstrap_(std::move(bootstrap)) {}

Client::~Client() {
  shared_->is_closing = true;
  const auto destroy = [client = client_, shared = shared_] {
    if (rd_kafka_type(client) == RD_KAFKA_CONSUMER) {
      rd_kafka_consumer_close(client);
    } else {
      rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    rd_kafka_destroy(client);
  };
  std::packaged_task<void()> task(destroy);
  const std::future<void> done = task.get_future();
  try {
    std::thread thread(std::move(task));
    if (done.wait_for(kCloseWaitMax) == std::future_status::ready) {
      thread.join();
    } else {
      thread.detach();
    }
  } catch (const std::system_error&) {
    destroy();  // no thread to be had
  }
}

bool Client::is_refused() const {
  if (rd_kafka_type(client_) == RD_KAFKA_PRODUCER) {
    rd_kafka_poll(client_, 0);
  }
  return shared_->is_refused;
}

std::string Client::last_trouble() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->trouble;
}

std::string Client::property(const std::string& name) const {
  std::array<char, 512> value{};
  std::size_t size = value.size();
  return rd_kafka_conf_get(rd_kafka_conf(client_), name.c_str(), value.data(), &size) ==
                 RD_KAFKA_CONF_OK
             ? value.data()
             : "";
}

bool FenceWatch::note(std::chrono::steady_clock::time_point now) {
  constexpr std::size_t kTimesMax = 3;
  seen_.push_back(now);
  while (now - seen_.front() > std::chrono::minutes(1)) {
    seen_.pop_front();
  }
  return seen_.size() > kTimesMax;
}

std::string way_out_of_fences(std::string_view bootstrap, std::string_view group) {
  return fmt::format(
      "While this one is stopped, kafka-consumer-groups.sh --bootstrap-server {} --describe "
      "--group {} --members shows the other one's host: stop it there, or give one of them another "
      "name (`instance:` or WEIR__INSTANCE)",
      bootstrap, group);
}

}  // namespace weir
