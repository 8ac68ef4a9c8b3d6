#include "kafka/resend_ledger.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr std::int16_t kProduce = 0;
constexpr std::int16_t kInitProducerId = 22;
constexpr std::int16_t kAddPartitions = 24;
constexpr std::int16_t kAddOffsets = 25;
constexpr std::int16_t kEndTxn = 26;
constexpr std::int16_t kTxnOffsetCommit = 28;

class ResendLedgerTest : public testing::Test {
 protected:
  ResendLedgerTest() {
    answered_exchange(kInitProducerId);
    EXPECT_TRUE(ledger.calibrate());
    ledger.begin();
  }

  // As librdkafka 2.0.2: two reports per answer.
  void answered_exchange(std::int16_t key) {
    ledger.sent(key);
    ledger.answered(key, true);
    ledger.answered(key, true);
  }

  // The connection is cut, the request is sent again and that copy is answered.
  void resent_exchange(std::int16_t key) {
    ledger.sent(key);
    ledger.answered(key, false);
    ledger.answered(key, false);
    answered_exchange(key);
  }

 public:
  ResendLedger ledger;
};

TEST_F(ResendLedgerTest, ATransactionWithCleanAnswersLeavesNoDoubt) {
  for (const std::int16_t key : {kAddPartitions, kAddOffsets, kTxnOffsetCommit, kEndTxn}) {
    answered_exchange(key);
  }
  EXPECT_EQ(ledger.doubt(), Doubt::none);
}

TEST_F(ResendLedgerTest, ARepeatAfterACleanAnswerLeavesNoDoubt) {
  // CONCURRENT_TRANSACTIONS is answered, then asked again.
  answered_exchange(kAddPartitions);
  answered_exchange(kAddPartitions);
  EXPECT_EQ(ledger.doubt(), Doubt::none);
}

TEST_F(ResendLedgerTest, ATransactionThatSentNothingLeavesNoDoubt) {
  EXPECT_EQ(ledger.doubt(), Doubt::none);
}

TEST_F(ResendLedgerTest, ARequestSentTwiceForOneAnswerCastsDoubtOnTheProducer) {
  for (const std::int16_t key : {kAddPartitions, kAddOffsets, kEndTxn}) {
    ledger.begin();
    resent_exchange(key);
    EXPECT_EQ(ledger.doubt(), Doubt::producer) << key;
  }
}

TEST_F(ResendLedgerTest, OffsetsSentTwiceCastDoubtOnTheConsumerToo) {
  resent_exchange(kTxnOffsetCommit);
  resent_exchange(kEndTxn);
  EXPECT_EQ(ledger.doubt(), Doubt::producer_and_consumer);
}

TEST_F(ResendLedgerTest, ARequestWithoutAnyReportIsInDoubt) {
  ledger.sent(kEndTxn);
  EXPECT_EQ(ledger.doubt(), Doubt::producer);
}

TEST_F(ResendLedgerTest, ProducingTwiceIsHarmless) {
  resent_exchange(kProduce);
  EXPECT_EQ(ledger.doubt(), Doubt::none);
}

TEST_F(ResendLedgerTest, ANewTransactionForgetsTheLast) {
  resent_exchange(kEndTxn);
  ledger.begin();
  EXPECT_EQ(ledger.doubt(), Doubt::none);
}

TEST(ResendLedger, LearnsHowOftenThisClientReportsAnAnswer) {
  ResendLedger ledger;
  ledger.sent(kInitProducerId);
  ledger.answered(kInitProducerId, true);
  ASSERT_TRUE(ledger.calibrate());
  ledger.begin();
  ledger.sent(kEndTxn);
  ledger.answered(kEndTxn, true);
  EXPECT_EQ(ledger.doubt(), Doubt::none);
  ledger.answered(kEndTxn, true);
  EXPECT_EQ(ledger.doubt(), Doubt::producer);
}

TEST(ResendLedger, UntilItKnowsEveryTransactionThatSentSomethingIsInDoubt) {
  ResendLedger ledger;
  ledger.sent(kInitProducerId);
  ledger.answered(kInitProducerId, false);
  ledger.sent(kInitProducerId);
  ledger.answered(kInitProducerId, true);
  ledger.answered(kInitProducerId, true);
  EXPECT_FALSE(ledger.calibrate());
  ledger.begin();
  EXPECT_EQ(ledger.doubt(), Doubt::none);
  ledger.sent(kEndTxn);
  ledger.answered(kEndTxn, true);
  ledger.answered(kEndTxn, true);
  EXPECT_EQ(ledger.doubt(), Doubt::producer);
}

}  // namespace
}  // namespace weir
