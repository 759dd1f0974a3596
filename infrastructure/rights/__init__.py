"""The one table of who may do what on what, to which every policy of the template is held.

The policies of roles, and of services on the key and the topic, are made of it (see `grants`). What
the CDK's constructs and SAM add is declared beside them. The tests compare: what a template allows
or refuses beyond this table fails, and so does a row that nothing needs.
"""

from infrastructure.rights.compacting import COMPACTION
from infrastructure.rights.delivering import DELIVERY
from infrastructure.rights.feeding import FEED, PIPE
from infrastructure.rights.functions import FUNCTIONS
from infrastructure.rights.resources import EMPTYING_OF_THE_BUCKET, RESOURCES

RIGHTS = (
    *FUNCTIONS,
    *COMPACTION,
    *PIPE,
    *FEED,
    *DELIVERY,
    *RESOURCES,
    *EMPTYING_OF_THE_BUCKET,
)
"""The table."""
