// What a client's properties say of addresses, TLS and SASL, for a connection beside librdkafka's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kafka/client_settings.h"

namespace weir {

// Each text is a property's value as librdkafka understands it, empty where it isn't set.
struct BrokerLogin {
  std::string address_family;  // v4 or v6; anything else: both

  // TLS.
  bool is_encrypted = false;
  bool verifies_certificate = true;
  bool verifies_host = true;
  std::string ca_location;  // a file or a directory; empty: the system's
  std::string ca_pem;
  std::string certificate_location;
  std::string certificate_pem;
  std::string key_location;
  std::string key_pem;
  std::string key_password;

  // SASL.
  std::string mechanism;  // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: no SASL
  std::string username;
  std::string password;
};

// nullopt when they ask for what only librdkafka speaks: another mechanism, or any property of TLS
// or SASL that isn't above and could matter. Properties mean what they mean to librdkafka 2.0.2:
// aliases, defaults, and the last one of a name.
std::optional<BrokerLogin> broker_login(const std::vector<Property>& properties);

}  // namespace weir
