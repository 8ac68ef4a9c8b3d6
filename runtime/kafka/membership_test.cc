#include "kafka/membership.h"

#include <string>

#include <gtest/gtest.h>

#include "kafka/handles.h"

namespace weir {
namespace {

std::string membership(std::int32_t generation, const char* member, const char* instance) {
  const GroupPtr group(
      rd_kafka_consumer_group_metadata_new_with_genid("group", generation, member, instance));
  void* bytes = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(rd_kafka_consumer_group_metadata_write(group.get(), &bytes, &size), nullptr);
  std::string text(static_cast<const char*>(bytes), size);
  rd_kafka_mem_free(nullptr, bytes);
  return text;
}

TEST(Membership, OfAMemberNamesIt) {
  EXPECT_TRUE(names_a_member(membership(0, "member", nullptr)));
  EXPECT_TRUE(names_a_member(membership(256, "member", "instance")));
}

TEST(Membership, WithoutGenerationOrMemberNamesNone) {
  EXPECT_FALSE(names_a_member(membership(-1, "member", "instance")));
  EXPECT_FALSE(names_a_member(membership(7, "", "instance")));
  EXPECT_FALSE(names_a_member(membership(-1, "", nullptr)));
}

}  // namespace
}  // namespace weir
