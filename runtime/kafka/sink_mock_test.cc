#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "kafka/mock_case.h"
#include "kafka/sink.h"

namespace weir {
namespace {

using testing::HasSubstr;

constexpr std::int16_t kEndTxn = 26;  // its key in Kafka's protocol

class KafkaSinkMockTest : public MockCase {
 protected:
  // What the commit of a transaction comes to. It holds offsets alone, as a sink without outputs
  // can.
  Status commit(std::chrono::milliseconds transaction_age_max = std::chrono::seconds(10)) {
    SinkSettings settings = writing({});
    settings.inputs = {kTopic};
    settings.transaction_age_max = transaction_age_max;
    KafkaSink sink(settings);
    WEIR_TRY(until_done([&] { return sink.open(); }));
    WEIR_TRY(sink.begin());
    const OffsetToCommit offset{{InputIndex(0), Partition(0)}, NextOffset(1), ""};
    WEIR_TRY(sink.send_offsets(std::span(&offset, 1), nobody()));
    return until_done([&] { return sink.commit(); });
  }

  // Of no member: whose offsets they are is not checked then.
  std::string nobody() const {
    const GroupPtr group_of_nobody(rd_kafka_consumer_group_metadata_new(group().c_str()));
    void* bytes = nullptr;
    std::size_t size = 0;
    const ErrorPtr error(
        rd_kafka_consumer_group_metadata_write(group_of_nobody.get(), &bytes, &size));
    std::string printed(static_cast<const char*>(bytes), size);
    rd_kafka_mem_free(nullptr, bytes);
    return printed;
  }
};

TEST_F(KafkaSinkMockTest, ATransactionThatHadEndedWhenItsEndWasAskedForAgainMayBeTorn) {
  answer_next(kEndTxn, RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
  const Status torn = commit();
  ASSERT_FALSE(torn.is_ok());
  ASSERT_EQ(torn.remedy(), Remedy::recreate) << torn.message();
  EXPECT_EQ(torn.reason(), "possible_tear") << torn.message();
  EXPECT_THAT(torn.message(), HasSubstr("sent twice"));
}

TEST_F(KafkaSinkMockTest, ATransactionThatHadEndedWithoutAnyDoubtIsNotCalledTorn) {
  answer_next(kEndTxn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
  const Status refused = commit();
  ASSERT_FALSE(refused.is_ok());
  ASSERT_EQ(refused.remedy(), Remedy::recreate) << refused.message();
  EXPECT_EQ(refused.reason(), "other") << refused.message();
}

// Its outcome is then for the committed offsets to tell.
TEST_F(KafkaSinkMockTest, ACommitThatTakesLongerThanATransactionMayLastIsGivenUp) {
  for (int i = 0; i < 200; ++i) {
    answer_next(kEndTxn, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
  }
  const Status given_up = commit(std::chrono::seconds(1));
  ASSERT_FALSE(given_up.is_ok());
  ASSERT_EQ(given_up.remedy(), Remedy::recreate) << given_up.message();
  EXPECT_EQ(given_up.reason(), "timed_out") << given_up.message();
}

}  // namespace
}  // namespace weir
