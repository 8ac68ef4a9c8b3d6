#include "kafka/scram.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// RFC 7677, section 3.
constexpr auto kNonce = "rOprNGfwEbeRWgbNEkqO";
const std::string kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr auto kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Scram rfc() {
  return {Scram::Hash::sha256, "user", "pencil", kNonce};
}

TEST(Scram, SpeaksAsTheRfcDoes) {
  Scram scram = rfc();
  EXPECT_EQ(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto proof = scram.answer_to_first(kServerFirst);
  ASSERT_TRUE(proof.is_ok()) << proof.status().message();
  EXPECT_EQ(proof.value(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(scram.take_final(kServerFinal).is_ok());
}

// Python: hashlib.pbkdf2_hmac("sha512", …) and hmac, put together as RFC 5802 says.
TEST(Scram, SpeaksSha512) {
  Scram scram(Scram::Hash::sha512, "user", "pencil", kNonce);
  const auto proof = scram.answer_to_first(kServerFirst);
  ASSERT_TRUE(proof.is_ok()) << proof.status().message();
  EXPECT_THAT(proof.value(),
              HasSubstr(",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzM"
                        "lTN8PPC6wdp6dybEmDYXYTxwnYPJQ=="));
  EXPECT_TRUE(scram
                  .take_final("v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5"
                              "ZxXnJq199RVG2rR7N7Zw==")
                  .is_ok());
}

TEST(Scram, AServerThatDoesNotKnowThePasswordIsRefused) {
  for (const char* final : {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=AAAA", "v=", "",
                            "v=====", "e=invalid-proof", "x=1", "v=6rriTRBi23WpRR/wtup+"}) {
    Scram scram = rfc();
    ASSERT_TRUE(scram.answer_to_first(kServerFirst).is_ok());
    EXPECT_FALSE(scram.take_final(final).is_ok()) << final;
  }
  EXPECT_FALSE(rfc().take_final(kServerFinal).is_ok()) << "before the proof";
}

TEST(Scram, AHostileFirstMessageIsRefusedAtOnceAndNotQuoted) {
  const std::string nonce = std::string("r=") + kNonce + "x";
  for (const std::string& first :
       {std::string(), std::string("pencil"), "r=" + std::string(kNonce) + ",s=QUJD,i=4096",
        std::string("r=another,s=QUJD,i=4096"), "m=pencil," + nonce + ",s=QUJD,i=4096",
        nonce + ",s=,i=4096", nonce + ",s=!!!!,i=4096", nonce + ",s=QUJ,i=4096", nonce + ",s=QUJD",
        nonce + ",s=QUJD,i=", nonce + ",s=QUJD,i=1", nonce + ",s=QUJD,i=-5000",
        nonce + ",s=QUJD,i=2147483647", nonce + ",s=QUJD,i=99999999999999999999",
        nonce + ",s=QUJD,i=4096pencil", nonce + ",s=" + std::string(1 << 20, 'A') + ",i=4096"}) {
    Scram scram = rfc();
    const auto proof = scram.answer_to_first(first);
    ASSERT_FALSE(proof.is_ok()) << first.substr(0, 100);
    EXPECT_THAT(proof.status().message(), Not(HasSubstr("pencil")));
    EXPECT_FALSE(scram.take_final("v=").is_ok());
  }
}

TEST(Scram, AUserNameCanNotAddToTheMessage) {
  EXPECT_EQ(Scram(Scram::Hash::sha512, "a=b,r=c", "p", "x").first(), "n,,n=a=3Db=2Cr=3Dc,r=x");
}

TEST(Scram, NoncesDiffer) {
  const std::string nonce = Scram::make_nonce();
  EXPECT_EQ(nonce.size(), 32);
  EXPECT_NE(nonce, Scram::make_nonce());
}

}  // namespace
}  // namespace weir
