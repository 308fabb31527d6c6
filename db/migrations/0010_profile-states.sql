CREATE TABLE "profile_states" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"dataset" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"kept" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "profile_states_tenant_pool_dataset_pk" PRIMARY KEY("tenant","pool","dataset")
);
