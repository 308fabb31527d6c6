ALTER TABLE "corrections" ADD COLUMN "predicted_effect" jsonb;--> statement-breakpoint
ALTER TABLE "corrections" ADD COLUMN "cost" jsonb;--> statement-breakpoint
CREATE INDEX "corrections_newest" ON "corrections" USING btree ("tenant","pool","dataset","action","created_at");