"""Many machines: what each of them is, gathered in one place, and who differs from the others."""

from sftdoctor.fleet.gathering import Gathered, gather
from sftdoctor.fleet.members import Member, read_member
from sftdoctor.fleet.ranks import Rank, rank_of

__all__ = ["Gathered", "Member", "Rank", "gather", "rank_of", "read_member"]
