#include "kafka/broker_login.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "kafka/handles.h"

namespace weir {
namespace {

constexpr std::array<std::string_view, 10> kTlsProperties{
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "ssl.ca.certificate.stores",  // of Windows alone
};

constexpr std::array<std::string_view, 4> kSaslProperties{"sasl.mechanisms", "sasl.mechanism",
                                                          "sasl.username", "sasl.password"};

std::string value_of(const rd_kafka_conf_t& conf, const char* name) {
  std::size_t size = 0;
  if (rd_kafka_conf_get(&conf, name, nullptr, &size) != RD_KAFKA_CONF_OK) {
    return "";
  }
  std::string value(size, '\0');
  rd_kafka_conf_get(&conf, name, value.data(), &size);
  value.resize(size - 1);  // without the NUL
  return value;
}

// None that begins with `prefix`, or with "enable." and that, but the `known` ones.
template <class Known>
bool has_only(const std::vector<Property>& properties, std::string_view prefix,
              const Known& known) {
  return std::all_of(properties.begin(), properties.end(), [&](const Property& property) {
    std::string_view name = property.name;
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      return true;
    }
    constexpr std::string_view kEnable = "enable.";
    name.remove_prefix(name.starts_with(kEnable) ? kEnable.size() : 0);
    return !name.starts_with(prefix);
  });
}

}  // namespace

std::optional<BrokerLogin> broker_login(const std::vector<Property>& properties) {
  const ConfPtr conf(rd_kafka_conf_new());
  for (const Property& property : properties) {
    if (rd_kafka_conf_set(conf.get(), property.name.c_str(), property.value.c_str(), nullptr, 0) !=
        RD_KAFKA_CONF_OK) {
      return std::nullopt;
    }
  }
  const auto get = [&](const char* name) { return value_of(*conf, name); };
  const std::string protocol = get("security.protocol");
  BrokerLogin login;
  login.address_family = get("broker.address.family");
  login.is_encrypted = protocol == "ssl" || protocol == "sasl_ssl";
  if (login.is_encrypted) {
    if (!has_only(properties, "ssl.", kTlsProperties)) {
      return std::nullopt;
    }
    login.verifies_certificate = get("enable.ssl.certificate.verification") == "true";
    login.verifies_host = get("ssl.endpoint.identification.algorithm") == "https";
    login.ca_location = get("ssl.ca.location");
    // librdkafka looks for where other systems keep what OpenSSL on Debian finds by itself.
    if (login.ca_location == "probe") {
      login.ca_location.clear();
    }
    login.ca_pem = get("ssl.ca.pem");
    login.certificate_location = get("ssl.certificate.location");
    login.certificate_pem = get("ssl.certificate.pem");
    login.key_location = get("ssl.key.location");
    login.key_pem = get("ssl.key.pem");
    login.key_password = get("ssl.key.password");
  }
  if (protocol == "sasl_plaintext" || protocol == "sasl_ssl") {
    login.mechanism = get("sasl.mechanisms");
    login.username = get("sasl.username");
    login.password = get("sasl.password");
    const bool is_known = login.mechanism == "PLAIN" || login.mechanism == "SCRAM-SHA-256" ||
                          login.mechanism == "SCRAM-SHA-512";
    if (!is_known || !has_only(properties, "sasl.", kSaslProperties)) {
      return std::nullopt;
    }
  }
  return login;
}

}  // namespace weir
