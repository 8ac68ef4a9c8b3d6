#include "kafka/broker_login.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

using Properties = std::vector<Property>;

TEST(BrokerLogin, IsPlainTextByDefaultWhateverIsSetForTlsAndSasl) {
  for (const Properties& properties :
       {Properties{}, Properties{{"security.protocol", "PLAINTEXT"}, {"ssl.cipher.suites", "x"}},
        Properties{{"security.protocol", "SSL"}, {"security.protocol", "plaintext"}}}) {
    const auto login = broker_login(properties);
    ASSERT_TRUE(login.has_value());
    EXPECT_FALSE(login->is_encrypted);
    EXPECT_EQ(login->mechanism, "");
  }
}

TEST(BrokerLogin, OfTlsHasTheClientsDefaults) {
  const auto login = broker_login({{"security.protocol", "ssl"}});
  ASSERT_TRUE(login.has_value());
  EXPECT_TRUE(login->is_encrypted);
  EXPECT_TRUE(login->verifies_certificate);
  EXPECT_TRUE(login->verifies_host);
  EXPECT_EQ(login->ca_location, "");
  EXPECT_EQ(login->mechanism, "");
}

TEST(BrokerLogin, TakesThePropertiesThatTheClientTakes) {
  const auto login = broker_login({{"security.protocol", "Sasl_Ssl"},
                                   {"ssl.ca.location", "ca"},
                                   {"ssl.ca.pem", "ca-pem"},
                                   {"ssl.certificate.location", "cert"},
                                   {"ssl.certificate.pem", "cert-pem"},
                                   {"ssl.key.location", "key"},
                                   {"ssl.key.pem", "key-pem"},
                                   {"ssl.key.password", "key-password"},
                                   {"ssl.endpoint.identification.algorithm", "none"},
                                   {"enable.ssl.certificate.verification", "F"},
                                   {"sasl.mechanism", "SCRAM-SHA-512"},
                                   {"sasl.username", "ada"},
                                   {"sasl.password", "secret"},
                                   {"broker.address.family", "V6"},
                                   {"linger.ms", "7"}});
  ASSERT_TRUE(login.has_value());
  EXPECT_TRUE(login->is_encrypted);
  EXPECT_FALSE(login->verifies_certificate);
  EXPECT_FALSE(login->verifies_host);
  EXPECT_EQ(login->address_family, "v6");
  EXPECT_EQ(login->ca_location, "ca");
  EXPECT_EQ(login->ca_pem, "ca-pem");
  EXPECT_EQ(login->certificate_location, "cert");
  EXPECT_EQ(login->certificate_pem, "cert-pem");
  EXPECT_EQ(login->key_location, "key");
  EXPECT_EQ(login->key_pem, "key-pem");
  EXPECT_EQ(login->key_password, "key-password");
  EXPECT_EQ(login->mechanism, "SCRAM-SHA-512");
  EXPECT_EQ(login->username, "ada");
  EXPECT_EQ(login->password, "secret");
}

TEST(BrokerLogin, SystemCertificatesGoByTwoNames) {
  const auto login = broker_login({{"security.protocol", "ssl"}, {"ssl.ca.location", "probe"}});
  ASSERT_TRUE(login.has_value());
  EXPECT_EQ(login->ca_location, "");
}

TEST(BrokerLogin, LeavesToTheClientWhatOnlyThatSpeaks) {
  for (const Properties& properties :
       {Properties{{"security.protocol", "sasl_plaintext"}},  // GSSAPI
        Properties{{"security.protocol", "sasl_ssl"}, {"sasl.mechanisms", "OAUTHBEARER"}},
        Properties{{"security.protocol", "ssl"}, {"ssl.keystore.location", "x"}},
        Properties{{"security.protocol", "ssl"}, {"ssl.cipher.suites", "x"}},
        Properties{{"security.protocol", "ssl"}, {"ssl.crl.location", "x"}},
        Properties{{"security.protocol", "sasl_plaintext"},
                   {"sasl.mechanisms", "PLAIN"},
                   {"enable.sasl.oauthbearer.unsecure.jwt", "true"}}}) {
    EXPECT_FALSE(broker_login(properties).has_value()) << properties.back().name;
  }
  EXPECT_TRUE(broker_login({{"security.protocol", "sasl_plaintext"},
                            {"sasl.mechanisms", "PLAIN"},
                            {"ssl.cipher.suites", "x"}})
                  .has_value())
      << "TLS isn't spoken there";
}

}  // namespace
}  // namespace weir
