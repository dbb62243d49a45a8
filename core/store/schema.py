"""The store's tables. Times are seconds since 1970 on the database's clock; boxes and reasons are JSON.

Nothing here is changed without a migration in ``migrations/versions``; ``backup_file`` names added tables.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),  # what was brought in, in a person's words
    Column("folder", Text),  # where the worker finds it; None once it is done
    Column("state", String(16), nullable=False),  # waiting, running, done, failed, cancelled
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),
    Column("counts", JSON, nullable=False, default=dict),  # outcome to number of photos
    Column("message", Text, nullable=False, default=""),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

import_refusals = Table(
    "import_refusals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("import_id", ForeignKey("imports.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("import_id", "name"),
)

photos = Table(
    "photos",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the bytes that came
    Column("blob", String(64), nullable=False),  # SHA-256 of the cleaned picture that is kept
    Column("thumbnail", String(64), nullable=False),
    Column("perceptual_hash", LargeBinary, nullable=False),  # difference hash, 32 bytes
    Column("name", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("holdout", Boolean, nullable=False),
    Column("near_id", ForeignKey("photos.id")),  # the photo that it is a near duplicate of
    Column("import_id", ForeignKey("imports.id"), index=True),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("deleted_at", Double),  # a tombstone: the row stays, the picture is gone
)
Index("ix_photos_blob", photos.c.blob)
Index("ix_photos_thumbnail", photos.c.thumbnail)
Index("ix_photos_live", photos.c.deleted_at, photos.c.id, photos.c.holdout)

categories = Table(
    "categories",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("by", String(200), nullable=False),
)

predictions = Table(
    "predictions",
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("detector_id", ForeignKey("models.id"), primary_key=True),
    Column("classifier_id", ForeignKey("models.id"), primary_key=True),
    Column("garments", JSON, nullable=False),  # as in the contract, from a low threshold on
    Column("embedding", LargeBinary),  # float16, the classifier's features of the whole photo
    Column("at", Double, nullable=False),
)
Index("ix_predictions_at", predictions.c.at)

annotations = Table(
    "annotations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), nullable=False),
    Column("version", Integer, nullable=False),  # 1, 2, ... of its photo
    Column("base_version", Integer, nullable=False),  # what its author had seen; 0: nothing
    Column("kind", String(16), nullable=False),  # imported, submitted, merged, second, accepted, returned
    Column("boxes", JSON, nullable=False),
    Column("author", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("seconds", Double),  # how long the author worked on it
    Column("note", Text, nullable=False, default=""),
    Column("request", String(64), nullable=False, unique=True),  # a save sent twice is one version
    UniqueConstraint("photo_id", "version"),
)

Index("ix_annotations_author", annotations.c.author, annotations.c.photo_id)

drafts = Table(
    "drafts",
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("author", String(200), primary_key=True),
    Column("base_version", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # rises with every change; an older one never overwrites
    Column("boxes", JSON, nullable=False),
    Column("at", Double, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # first, second
    Column("state", String(16), nullable=False),  # open, done, dropped
    Column("rank", Double, nullable=False),  # the lowest comes first
    Column("arm", String(16), nullable=False),  # cold, selected, control
    Column("reasons", JSON, nullable=False, default=list),  # in words
    Column("parts", JSON, nullable=False, default=dict),  # each part of the score, 0..1
    Column("first_author", String(200)),  # of a second annotation: who must not make it
    Column("lease_by", String(200)),
    Column("lease_until", Double),
    Column("done_by", String(200)),
    Column("done_at", Double),
    Column("assigned_to", String(200)),  # who is to do it, and nobody else; None: whoever comes
    UniqueConstraint("photo_id", "kind"),
)
Index("ix_tasks_next", tasks.c.state, tasks.c.kind, tasks.c.rank, tasks.c.id)
Index("ix_tasks_second", tasks.c.state, tasks.c.kind, tasks.c.first_author)
Index("ix_tasks_lease", tasks.c.lease_by, tasks.c.state)
Index("ix_tasks_done", tasks.c.done_by, tasks.c.done_at)
Index("ix_tasks_assigned", tasks.c.assigned_to, tasks.c.state, tasks.c.rank)

skips = Table(
    "skips",
    metadata,
    Column("person", String(200), primary_key=True),
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("at", Double, nullable=False),
)

consensus_reviews = Table(
    "consensus_reviews",
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("first_version", Integer, nullable=False),
    Column("second_version", Integer),  # None until the second person has submitted
    Column("agreement", JSON),  # see core.store.agreement
    Column("verdict", String(16)),  # accepted, returned; None until reviewed
    Column("reviewer", String(200)),
    Column("at", Double, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("categories", JSON, nullable=False),  # [[id, name], ...] as they were
    Column("photos", Integer, nullable=False),
    Column("boxes", Integer, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

revision_items = Table(
    "revision_items",
    metadata,
    Column("revision", ForeignKey("revisions.number"), primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("annotation_id", ForeignKey("annotations.id"), nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),  # the workflow's id
    Column("kind", String(16), nullable=False),  # import, label, score
    Column("state", String(16), nullable=False),  # waiting, running, done, failed, cancelled
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
)

users = Table(
    "people",
    metadata,
    Column("name", String(200), primary_key=True),  # as it stands at annotations
    Column("subject", String(400), unique=True),  # issuer and subject of the sign-in; None: not seen yet
    Column("role", String(16)),  # set by an admin; None: as the sign-in says
    Column("claimed", JSON, nullable=False, default=list),  # the roles that the sign-in last named
    Column("at", Double, nullable=False),
    Column("seen_at", Double),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("by", String(200), nullable=False),
    Column("action", String(64), nullable=False),  # promote, overrule, rollback, delete, rename, ...
    Column("object", Text, nullable=False),  # what it was done to, in words
    Column("details", JSON, nullable=False, default=dict),
)
Index("ix_audit_at", audit.c.at)

trainings = Table(
    "trainings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String(64), unique=True),  # the job that does it
    Column("kind", String(16), nullable=False),  # detector, classifier
    Column("mode", String(16), nullable=False),  # quick, full
    Column("revision", ForeignKey("revisions.number"), nullable=False),
    Column("parent_id", Integer),  # the model that it goes on from
    Column("settings", JSON, nullable=False, default=dict),  # the recipe with its seed, counts of data
    Column("state", String(16), nullable=False),  # waiting, running, done, failed, cancelled
    Column("step", Integer, nullable=False, default=0),
    Column("steps", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),  # what is being done, or why it failed
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("started_at", Double),
    Column("updated_at", Double, nullable=False),
    Column("ended_at", Double),
)
Index("ix_trainings_state", trainings.c.state)

training_points = Table(
    "training_points",
    metadata,
    Column("training_id", ForeignKey("trainings.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("values", JSON, nullable=False),  # loss, rate; at an epoch's end the validation's figures
    Column("at", Double, nullable=False),
)

training_lines = Table(
    "training_lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("training_id", ForeignKey("trainings.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),  # detector, classifier
    Column("name", String(200), nullable=False, unique=True),  # its predictions are kept under it
    Column("digest", String(64), nullable=False),  # SHA-256 of the weights: their blob
    Column("card", JSON, nullable=False),
    Column("parent_id", ForeignKey("models.id")),
    Column("revision", ForeignKey("revisions.number")),
    Column("training_id", ForeignKey("trainings.id"), unique=True),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

champions = Table(
    "champions",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("at", Double, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("previous_id", ForeignKey("models.id")),
    Column("action", String(16), nullable=False),  # first, update, promote, overrule, rollback
    Column("comparison_id", Integer),
    Column("reason", Text, nullable=False, default=""),
    Column("request", String(64), nullable=False, unique=True),  # pressed twice it is one promotion
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("candidate_id", ForeignKey("models.id"), nullable=False),
    Column("champion_id", ForeignKey("models.id"), nullable=False),
    Column("revision", ForeignKey("revisions.number"), nullable=False),  # whose holdout photos measured it
    Column("report", JSON, nullable=False),
    Column("at", Double, nullable=False),
    UniqueConstraint("candidate_id", "champion_id", "revision"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", String(200), nullable=False, index=True),  # in whose name it acts
    Column("label", String(200), nullable=False),  # what it is for, in their words
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token, which is nowhere else
    Column("at", Double, nullable=False),
    Column("expires_at", Double),  # None: never
    Column("used_at", Double),
    Column("revoked_at", Double),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),  # names of core.store.webhooks.EVENTS
    Column("secret", String(100), nullable=False),  # signs what is sent
    Column("active", Boolean, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    Column("uid", String(64), nullable=False, unique=True),  # the same in every attempt
    Column("event", String(64), nullable=False),
    Column("body", Text, nullable=False),  # the JSON that is signed and sent
    Column("state", String(16), nullable=False),  # waiting, delivered, failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Double, nullable=False),  # when the next attempt is due
    Column("message", Text, nullable=False, default=""),  # the last answer, in a sentence
    Column("at", Double, nullable=False),
    Column("ended_at", Double),
)
Index("ix_webhook_deliveries_due", webhook_deliveries.c.state, webhook_deliveries.c.next_at)
Index("ix_webhook_deliveries_of", webhook_deliveries.c.webhook_id, webhook_deliveries.c.id)

photo_tags = Table(
    "photo_tags",
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("tag", String(60), primary_key=True, index=True),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

photo_comments = Table(
    "photo_comments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Double, nullable=False),
)

revision_tags = Table(
    "revision_tags",
    metadata,
    Column("revision", ForeignKey("revisions.number"), primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("tag", String(60), primary_key=True),  # as the photo had it then
)
DERIVED = "derived"  # in a table's info: it repeats what others hold, and no backup has it
