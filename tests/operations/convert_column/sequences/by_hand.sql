ALTER TABLE parcels ALTER id TYPE uuid USING id::uuid;
